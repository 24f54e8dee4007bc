"""What users bring along: their Flask application, their Celery application, and every way to import ours."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scheduler import celeryapp
from scheduler.settings import Settings
from tests.support.polling import until
from tests.support.redis_server import redis_server
from tests.support.service import Service, service
from tests.support.worker import open_shop, running_worker

pytestmark = pytest.mark.xdist_group("runs")

PROJECT = """
    from celery import Celery, shared_task
    from flask import Flask, current_app


    def create_app():
        app = Flask("theirs")
        app.config["GREETING"] = "hello"
        return app


    flask_app = create_app()
    celery = Celery("theirs", include=["project"])
    celery.conf.task_default_queue = "their-queue"


    @shared_task(name="project.greet")
    def greet(name):
        return f"{current_app.name} {current_app.config['GREETING']} {name}"


    @celery.task(name="project.own")
    def own():
        return "own"
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("project")
    (made / "project.py").write_text(textwrap.dedent(PROJECT))
    return made


@pytest.mark.parametrize("target", ["project:create_app", "project:flask_app"])
def test_every_task_runs_inside_the_flask_application(project: Path, target: str) -> None:
    with (
        running_worker(project, SCHEDULER_IMPORTS="project", SCHEDULER_FLASK_APP=target) as running,
        open_shop(*running, project) as shop,
    ):
        assert shop.run("project.greet", "ann").result == '"theirs hello ann"'
        assert shop.run("scheduler.tasks.log_it", 1, 2).result == "3"


def test_a_user_brings_a_whole_celery_application(project: Path) -> None:
    with (
        running_worker(project, "--queues=their-queue,celery", SCHEDULER_CELERY_APP="project:celery") as running,
        open_shop(*running, project) as shop,
    ):
        assert shop.run("project.own", queue="their-queue").result == '"own"'
        assert shop.run("scheduler.tasks.log_it", 1, 2).result == "3"


ENTRY_POINTS = ("scheduler.celeryapp", "scheduler.cli", "scheduler.beat.scheduler", "scheduler.tasks", "app")
WATCH = """
import sys
sys.addaudithook(lambda event, arguments: event == "socket.connect" and sys.exit(f"connects to {arguments[1]}"))
"""


def python(code: str, directory: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    root = Path(celeryapp.__file__).resolve().parent.parent
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SCHEDULER_")}
    settings = {
        "SCHEDULER_REDIS_URL": "unix:///nowhere/r.sock",
        "SCHEDULER_STATE_DIR": str(directory),
        "SCHEDULER_FILE": str(directory / "schedules.yaml"),
        "SCHEDULER_SECRET_KEY": "x" * 40,
        "SCHEDULER_ADMIN_PASSWORD_HASH": "scrypt:32768:8:1$x$" + "0" * 128,
    }
    return subprocess.run(
        [sys.executable, "-c", WATCH + code],
        cwd=root,
        env=kept | settings | environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("first", ENTRY_POINTS)
def test_every_entry_point_can_be_imported_first_and_touches_no_redis(first: str, tmp_path: Path) -> None:
    done = python("".join(f"import {name}\n" for name in (first, *reversed(ENTRY_POINTS))), tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_beat_does_not_import_flask(tmp_path: Path) -> None:
    shown = "print(sorted({'flask', 'werkzeug'} & sys.modules.keys()))"
    done = python(f"import scheduler.celeryapp, scheduler.beat.scheduler; {shown}", tmp_path)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@contextmanager
def service_beside(directory: Path, **environ: str) -> Iterator[Service]:
    """The service with a Redis of its own; what lies in the directory can be imported."""
    with redis_server() as redis:
        settings = Settings(redis_url=redis.url, file=directory / "schedules.yaml", state_dir=directory / "state")
        with service(settings, PYTHONPATH=str(directory), **environ) as running:
            yield running


def test_a_beat_leads_beside_a_flask_application_that_cannot_be_imported(tmp_path: Path) -> None:
    (tmp_path / "broken_project.py").write_text("raise RuntimeError('beat must not import this')")
    with service_beside(tmp_path, SCHEDULER_FLASK_APP="broken_project:app") as running:
        running.start("beat").says("Leading: ")


def test_a_worker_whose_task_module_is_broken_ends_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "broken_tasks.py").write_text("import nothing_of_that_name\n")
    with service_beside(tmp_path, SCHEDULER_IMPORTS="broken_tasks") as running:
        worker = running.start("worker")
        assert worker.ends() == 78
        assert "Traceback" not in worker.output()
        assert "scheduler: SCHEDULER_IMPORTS: cannot import 'broken_tasks': ModuleNotFoundError" in worker.output()


UNFIT_FLASK = {
    "no module": ("", "no_such_module:app", "cannot import 'no_such_module': ModuleNotFoundError"),
    "no attribute": ("", "unfit_project:create_ap", "unfit_project has no 'create_ap'"),
    "an error": (
        "raise RuntimeError('boom')",
        "unfit_project:app",
        "cannot import 'unfit_project': RuntimeError: boom",
    ),
    "an exit": ("import sys; sys.exit(0)", "unfit_project:app", "cannot import 'unfit_project': SystemExit: 0"),
    "a number": ("app = 5", "unfit_project:app", "is neither a Flask application nor a function that makes one"),
}


@pytest.mark.parametrize(("text", "target", "line"), UNFIT_FLASK.values(), ids=UNFIT_FLASK.keys())
def test_a_wrong_flask_application_ends_the_worker_and_check_with_one_line(
    tmp_path: Path, text: str, target: str, line: str
) -> None:
    (tmp_path / "unfit_project.py").write_text(text)
    (tmp_path / "schedules.yaml").write_text("schedules: {}\n")
    with service_beside(tmp_path, SCHEDULER_FLASK_APP=target) as running:
        worker = running.start("worker")
        assert worker.ends() == 78
        said = [told for told in worker.output().splitlines() if told.startswith("scheduler: ")]
        assert len(said) == 1
        assert line in said[0]
        assert "Traceback" not in worker.output()
        command = [sys.executable, "-m", "scheduler", "check"]
        checked = subprocess.run(command, env=running.environ, capture_output=True, text=True, timeout=60, check=False)
        assert (checked.returncode, checked.stderr) == (78, said[0] + "\n")


def test_a_task_whose_own_time_limit_no_worker_can_read_ends_the_worker_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "odd_tasks.py").write_text(
        "from celery import shared_task\n\n@shared_task(name='odd', time_limit='soon')\ndef odd(): ...\n"
    )
    with service_beside(tmp_path, SCHEDULER_IMPORTS="odd_tasks") as running:
        worker = running.start("worker")
        assert worker.ends() == 78
        assert "scheduler: task odd has time_limit='soon': give it a number of seconds" in worker.output()


FACTORY = """
    import pathlib
    from flask import Flask

    def create_app():
        if pathlib.Path(__file__).with_name("broken").exists():
            raise KeyError("DATABASE_URL")
        return Flask("theirs")
"""


def test_a_factory_that_fails_is_one_line_and_one_problem_until_it_is_mended(tmp_path: Path) -> None:
    (tmp_path / "fragile.py").write_text(textwrap.dedent(FACTORY))
    (tmp_path / "broken").touch()
    target = {"SCHEDULER_FLASK_APP": "fragile:create_app"}
    with running_worker(tmp_path, **target) as (running, worker), open_shop(running, worker, tmp_path) as shop:
        problem = "SCHEDULER_FLASK_APP=fragile:create_app makes no application, so runs fail: KeyError: 'DATABASE_URL'"
        run = shop.run("scheduler.tasks.log_it", 1, 2)
        assert run.outcome == "failed"
        assert run.result.startswith(problem)
        assert [it for it in shop.store.notices().values() if it.startswith(problem)]
        told = [line for line in worker.output().splitlines() if problem in line and "raised" not in line]
        assert len(told) == 1, told
        assert "Traceback" not in worker.output()
        (tmp_path / "broken").unlink()
        assert shop.run("scheduler.tasks.log_it", 1, 2).outcome == "succeeded"
        assert not [it for it in shop.store.notices().values() if it.startswith(problem)]


CHANGED = {
    "beat": ("beat", "task_always_eager = True", ()),
    "worker": ("worker", "task_acks_late = False", ()),
    "visibility": ("worker", "broker_transport_options = {'visibility_timeout': 10}", ()),
    "command line": ("worker", "result_expires = 60", ("--prefetch-multiplier=4",)),
}


@pytest.mark.parametrize(("program", "change", "arguments"), CHANGED.values(), ids=CHANGED.keys())
def test_a_setting_that_breaks_a_promise_ends_the_start_with_one_line(
    tmp_path: Path, program: str, change: str, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "own_settings.py").write_text(f"from scheduler.celeryapp import app\napp.conf.{change}\n")
    with service_beside(tmp_path, SCHEDULER_IMPORTS="own_settings") as running:
        started = running.start(program, *arguments)
        assert started.ends() == 78
        assert "Traceback" not in started.output()
        assert re.search(
            r"^scheduler: Celery's \w+ is .+, and one run per due instant needs .+: take it out of your modules",
            started.output(),
            re.MULTILINE,
        )


def test_an_application_that_runs_its_tasks_eagerly_sends_them_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "eager_project.py").write_text(
        "from celery import Celery\napp = Celery('eager')\n"
        "app.conf.update(task_always_eager=True, task_protocol=1, task_acks_late=False)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    settings = Settings(redis_url="unix:///nowhere/r.sock", celery_app="eager_project:app", state_dir=tmp_path)
    conf = celeryapp.build(settings).conf
    assert (conf.task_always_eager, conf.task_protocol, conf.task_acks_late) == (False, 2, True)


def test_results_are_where_the_applications_own_code_looks(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "keeps_results.py").write_text(
        "from celery import Celery\n"
        f"app = Celery('theirs', backend='file://{tmp_path}/results')\n"
        "app.conf.task_acks_late = False\n\n"
        "@app.task(name='theirs.answer')\ndef answer():\n    return 42\n"
    )
    with (
        running_worker(tmp_path, SCHEDULER_CELERY_APP="keeps_results:app") as (running, worker),
        open_shop(running, worker, tmp_path) as shop,
    ):
        assert shop.run("theirs.answer").result == "42"
        stored = until(lambda: list((tmp_path / "results").iterdir()), 30, "a result")
        assert '"result": 42' in stored[0].read_text()
        assert worker.count("The application's task_acks_late is True here, not False: a run is acknowledged") == 1


def test_what_an_application_declares_runs_without_a_schedule_file(tmp_path: Path) -> None:
    (tmp_path / "with_schedules.py").write_text(textwrap.dedent(DECLARES))
    with service_beside(tmp_path, SCHEDULER_CELERY_APP="with_schedules:app") as running:
        running.start_both()
        warm = running.succeeds_after("warm-up", 0, 60)
        assert warm.result == '"${HOME} of shop"'
        wanted = {"linked ${HOME} of shop", "chained 2", "chord [1, 2]"}
        done = tmp_path / "done"
        until(lambda: done.exists() and wanted <= set(done.read_text().splitlines()), 30, "what follows the runs")


DECLARES = """
    from pathlib import Path

    from celery import Celery, chain, chord

    app = Celery("theirs")
    app.conf.timezone = "America/New_York"
    app.conf.result_extended = True


    @app.task(name="theirs.warm", bind=True)
    def warm(self, what):
        return f"{what} of {self.request.headers['tenant']}"


    @app.task(name="theirs.write")
    def write(value, word):
        with Path(__file__).with_name("done").open("a") as file:
            file.write(f"{word} {value}\\n")


    @app.task(name="theirs.add")
    def add(a, b):
        return a + b


    app.conf.beat_schedule = {
        "warm up": {
            "task": "theirs.warm",
            "schedule": 1.0,
            "args": ("${HOME}",),
            "options": {"headers": {"tenant": "shop"}, "link": write.s("linked"), "countdown": 0.5},
        },
    }
    app.add_periodic_task(1.0, chain(add.s(1, 1), write.s("chained")), name="in turn")
    app.add_periodic_task(1.0, chord([add.s(0, 1), add.s(1, 1)], write.s("chord")), name="together")
"""


def test_celerys_own_commands_and_events_see_the_worker_and_its_runs(tmp_path: Path) -> None:
    with (
        running_worker(tmp_path, "--task-events") as (running, worker),
        open_shop(running, worker, tmp_path) as shop,
        shop.app.connection_for_read() as connection,
    ):
        control, task = shop.app.control, "scheduler.tasks.log_it"
        answers = until(lambda: control.inspect().ping(), 60, "a worker that answers")
        assert [*answers.values()] == [{"ok": "pong"}]
        registered = until(lambda: control.inspect().registered(), 60, "an answer")
        assert task in next(iter(registered.values()))
        limited = until(lambda: control.rate_limit(task, "10/s", reply=True), 60, "an answer")
        assert [*limited[0].values()] == [{"ok": "new rate limit set successfully"}]
        sent: list[str] = []

        def note(event: dict[str, str]) -> None:
            """Send a run once events arrive, and stop when one says that a task succeeded."""
            if not sent:
                sent.append(shop.send(task, 1, 2))
            receiver.should_stop = event["type"] == "task-succeeded"

        receiver = shop.app.events.Receiver(connection, handlers={"*": note})
        receiver.capture(limit=None, timeout=60)
        assert shop.ended(sent[0]).outcome == "succeeded"
