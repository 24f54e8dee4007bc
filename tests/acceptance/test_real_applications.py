"""Small real applications under `tests/applications/`, brought along as they are: one variable, and their tasks run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scheduler import schedule_file
from scheduler.model import Run
from scheduler.settings import Settings
from tests.acceptance.processes import ROOT, temporary_directory
from tests.support.documents import commands
from tests.support.polling import until
from tests.support.redis_server import redis_server
from tests.support.service import Service, service

APPLICATIONS = ROOT / "tests" / "applications"
pytestmark = pytest.mark.xdist_group("runs")


@contextmanager
def brought_along(name: str, target: str, directory: Path) -> Iterator[Service]:
    """Beat and a worker, started in a copy of the application."""
    home = directory / name
    shutil.copytree(APPLICATIONS / name, home, ignore=shutil.ignore_patterns("__pycache__"))
    with redis_server() as redis:
        settings = Settings(redis_url=redis.url, file=home / "schedules.yaml", state_dir=directory / "state")
        given = {"PYTHONPATH": str(ROOT), "REDIS_URL": settings.place.broker_url}
        with service(settings, SCHEDULER_CELERY_APP=target, **given) as running:
            running.cwd = home
            yield running


def python(running: Service, *arguments: str) -> str:
    """What Python prints in the application's directory, with the environment of its processes."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=running.cwd,
        env=running.environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def succeeded(running: Service, name: str, count: int) -> list[Run]:
    """The runs of a schedule that succeeded, once there are so many."""

    def enough() -> list[Run]:
        found = [run for run in running.runs(name) if run.outcome == "succeeded"]
        return found if len(found) >= count else []

    try:
        return until(enough, 60, f"{count} runs of {name} that succeeded")
    except AssertionError:
        running.show()
        raise


def test_the_factory_of_flasks_documentation_runs_under_up_although_its_broker_is_elsewhere() -> None:
    with temporary_directory() as here:
        shutil.copytree(APPLICATIONS / "flask_factory", here.path, dirs_exist_ok=True)
        with here.up(SCHEDULER_CELERY_APP="shop:create_app", PYTHONPATH=str(ROOT)) as up:
            up.ready()
            up.find("succeeded in .*: '300 EUR'")
            for setting in ("broker_url", "result_backend"):
                up.find(
                    f"The application's {setting} is not used: `up` uses a Redis of its own; set SCHEDULER_REDIS_URL"
                )


VISIT = """
import json
from celery_worker import app, celery
client = app.test_client()
place = client.post("/messages", data={"count": 2}).headers["Location"]
seen = []
while not seen or seen[-1]["state"] not in ("SUCCESS", "FAILURE"):
    answer = client.get(place).get_json()
    if answer not in seen:
        seen.append(answer)
    if answer["state"] == "PROGRESS":
        celery.backend.client.set(f"{place.rpartition('/')[2]}:{answer['info']['sent']}", 1, ex=60)
print(json.dumps(seen))
"""


def test_a_flask_application_with_the_older_context_task_shows_the_progress_of_its_calls(tmp_path: Path) -> None:
    with brought_along("flask_context", "celery_worker:celery", tmp_path) as running:
        running.start_both()
        assert running.succeeds_after("remind", 0, 60).result == '"good morning, all: the team"'
        seen = json.loads(python(running, "-c", VISIT))
        steps = [answer["info"] for answer in seen if answer["state"] == "PROGRESS"]
        assert steps == [{"sent": 0, "of": 2}, {"sent": 1, "of": 2}]
        assert seen[-1] == {"state": "SUCCESS", "info": {"sent": 2, "of": 2}}


def test_a_session_of_flask_sqlalchemy_ends_with_its_run(tmp_path: Path) -> None:
    with brought_along("flask_sqlalchemy", "store:celery", tmp_path) as running:
        python(running, "-c", "import store")  # makes its table, which two processes cannot do at once
        running.start_both()
        runs = succeeded(running, "close", 3)  # so one of the two processes of the pool ran it twice
        assert {json.loads(run.result)["left over"] for run in runs} == {0}


RESULTS = "from django_celery_results.models import TaskResult; print([r.result for r in TaskResult.objects.all()])"


def test_a_django_project_keeps_its_result_backend_and_each_run_begins_without_an_old_connection(
    tmp_path: Path,
) -> None:
    with brought_along("django_project", "site_of_ours.celery:app", tmp_path) as running:
        python(running, "manage.py", "migrate", "--verbosity=0")
        running.start_both()
        runs = succeeded(running, "count-orders", 3)
        assert {run.result for run in runs} == {'{"orders": 0, "connection left open": false}'}
        code = f"import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'site_of_ours.settings'; {SETUP}; {RESULTS}"
        assert runs[-1].result in python(running, "-c", code)


SETUP = "import django; django.setup()"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Beat and a worker of the plain Celery package."""
    with brought_along("plain_celery", "reports.celery:app", tmp_path_factory.mktemp("plain")) as running:
        running.start_both()
        yield running


def test_a_plain_celery_package_keeps_its_classes_retries_models_and_canvases(plain: Service) -> None:
    assert plain.succeeds_after("build", 0, 60).result == '"daily report"'
    assert json.loads(plain.succeeds_after("price", 0, 60).result) == {"total": 7.5}
    assert plain.succeeds_after("fetch", 0, 60).result == '"attempt 2"'
    notes = plain.cwd / "reports" / "notes"
    wanted = {"on_success daily report", "linked daily report", "chain 3", "group 1", "group 2", "chord [2, 4]"}
    until(lambda: notes.exists() and wanted <= set(notes.read_text().splitlines()), 60, "what follows the runs")


def test_the_page_on_moving_shows_commands_that_work_beside_an_application_that_moved(plain: Service) -> None:
    plain.succeeds_after("build", 0, 60)
    typed = "\n".join(commands("docs/moving.md", "console moving"))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-e", "-c", typed],
        cwd=plain.cwd,
        env=plain.environ | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "daily report" in done.stdout
    document = schedule_file.read(plain.cwd / "from-the-code.yaml")
    assert {"build", "fetch", "price", "chain"} <= document.data["schedules"].keys()
