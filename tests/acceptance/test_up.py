"""The README's first command: one terminal, everything running, and nothing left behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import textwrap
import time
import urllib.error
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from scheduler.errors import Exit
from scheduler.up.supervisor import SAME_REQUEST_S
from tests.acceptance.page import Page
from tests.acceptance.processes import Checkout, temporary_checkout
from tests.support.polling import until

pytestmark = pytest.mark.xdist_group("up")


@pytest.fixture
def checkout() -> Iterator[Checkout]:
    with temporary_checkout() as made:
        yield made


def schedule(checkout: Checkout, text: str) -> None:
    (checkout.path / "schedules.yaml").write_text(textwrap.dedent(text), encoding="utf-8")


def naps(checkout: Checkout, seconds: float) -> None:
    """A task that takes its time, due every two seconds."""
    task = """
        import time

        from celery import shared_task


        @shared_task(name="naps.nap")
        def nap(seconds):
            print("nap begins", flush=True)
            time.sleep(seconds)
            print("nap ends", flush=True)
    """
    (checkout.path / "naps.py").write_text(textwrap.dedent(task))
    schedule(checkout, f"{{imports: [naps], schedules: {{nap: {{task: naps.nap, every: 2s, args: [{seconds}]}}}}}}")


def test_ctrl_c_stops_everything_and_leaves_nothing_behind(checkout: Checkout) -> None:
    with checkout.up() as up:
        up.ready()
        assert len(checkout.processes()) >= 6
        up.signal(signal.SIGINT)
        assert up.ends() == Exit.OK
        checkout.assert_clean()


def test_a_task_that_runs_is_finished_before_the_worker_stops(checkout: Checkout) -> None:
    naps(checkout, 3)
    with checkout.up() as up:
        up.find("nap begins")
        up.signal(signal.SIGTERM)
        assert up.ends() == Exit.OK
        order = "stopping;.*nap ends.*ready to exit"  # the last is Redis, to which the worker told how the nap ended
        assert re.search(order, up.output(), re.DOTALL)


def test_a_second_ctrl_c_half_a_second_later_kills_at_once(checkout: Checkout) -> None:
    naps(checkout, 60)
    with checkout.up() as up:
        up.find("nap begins")
        up.signal(signal.SIGINT)
        up.find("stopping; Ctrl-C again kills at once")
        time.sleep(SAME_REQUEST_S)
        up.find("Warm shutdown")  # the nap keeps the worker from ending by itself
        up.signal(signal.SIGINT)
        assert up.ends(seconds=40) == 128 + signal.SIGINT
        checkout.assert_clean()


def test_kill_9_in_front_still_stops_everything_in_order_and_loses_no_data(checkout: Checkout) -> None:
    with checkout.up() as up:
        up.ready()
        up.find("Sent log-it")
        up.find(r"succeeded in \S+ 30")
        os.kill(up.popen.pid, signal.SIGKILL)
        checkout.assert_clean()
        assert "ready to exit" in up.output(), "Redis was not asked to stop"
        due = up.find(r"Sent (log-it@\S+)")[1]
    with checkout.up() as up:
        up.ready()
        redis = f"unix://{checkout.run_directory}/redis.sock"
        assert due in checkout.run("history", "log-it", "--json", SCHEDULER_REDIS_URL=redis).stdout


def test_kill_9_of_all_that_up_is_made_of_leaves_no_child_and_does_not_stop_the_next_start(checkout: Checkout) -> None:
    with checkout.up() as up:
        up.ready()
        for pid in (up.supervisor(), up.popen.pid):
            os.kill(pid, signal.SIGKILL)
        until(lambda: not checkout.processes(), 60, "every process is gone")
        assert list(checkout.run_directory.glob("*.pid")), "the leftovers that the next start has to cope with"
        with checkout.up() as again:
            again.ready()
            again.signal(signal.SIGINT)
            assert again.ends() == Exit.OK


def test_a_process_that_dies_is_started_again(checkout: Checkout) -> None:
    with checkout.up() as up:
        up.ready()
        for name in ("worker", "redis"):
            before = up.pid(name)
            os.kill(before, signal.SIGKILL)
            up.find(rf"{name} ended with 137: restarting in 1 s")
            until(partial(is_back, checkout, name, before), 60, f"{name} is back")
        sent = up.output().count("Sent log-it")
        until(lambda: up.output().count("Sent log-it") > sent + 1, 60, "log-it is sent again")


def is_back(checkout: Checkout, name: str, before: int) -> bool:
    try:
        return int((checkout.run_directory / f"{name}.pid").read_text()) != before
    except (OSError, ValueError):
        return False


def test_a_second_up_in_the_same_checkout_names_the_url_of_the_first(checkout: Checkout) -> None:
    with checkout.up() as up:
        url = up.ready()
        second = checkout.run("up")
        assert second.returncode == Exit.TEMPORARY
        assert second.stderr == (
            f"scheduler: the service already runs in this directory at {url}: "
            "use it (password: cat .scheduler/run/admin-password), or stop it with Ctrl-C in its terminal\n"
        )
        assert (checkout.run_directory / "admin-password").read_text().strip() == up.password
        assert f"page      {url}, password: cat .scheduler/run/admin-password\n" in checkout.run("status").stdout


def test_a_port_that_was_asked_for_and_is_taken_is_refused(checkout: Checkout) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused = checkout.run("up", "--port", str(port))
        assert refused.returncode == Exit.UNAVAILABLE
        assert refused.stderr == (
            f"scheduler: port {port} is taken on 127.0.0.1: give another one with --port, "
            "or none to use the next free one\n"
        )
    checkout.assert_clean()


BAD = {
    "redis refused": (Exit.UNAVAILABLE, r"Redis at redis://127\.0\.0\.1:1/0 does not answer .*: start it, or set"),
    "state directory is a file": (Exit.CANT_CREATE, r"cannot write the state directory .*/README\.md: "),
    "state directory too long": (
        Exit.CONFIG,
        r"bytes, but at most 107 are allowed: set SCHEDULER_STATE_DIR to a directory with",
    ),
    "file missing": (Exit.NO_INPUT, r"nope\.yaml cannot be read: no such file or directory — create it, or set"),
    "file empty": (Exit.PROBLEMS, r"schedules\.yaml:1:1: the file is empty — write"),
    "file broken": (Exit.PROBLEMS, r"schedules\.yaml:\d+:\d+: .*not YAML"),
    "unknown task": (
        Exit.PROBLEMS,
        r"unknown task 'scheduler\.tasks\.log_itt' — did you mean 'scheduler\.tasks\.log_it'\?",
    ),
    "import error in a task module": (
        Exit.CONFIG,
        r"cannot import 'broken': .*No module named 'nothere' at .*/broken.py:1",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_gets_one_line_with_the_remedy_and_starts_nothing(checkout: Checkout, what: str) -> None:
    code, line = BAD[what]
    done = checkout.run("up", **spoil(checkout, what))
    assert done.returncode == code, done.stderr
    assert re.search(line, done.stderr), done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert "redis  |" not in done.stdout
    checkout.assert_clean()


def spoil(checkout: Checkout, what: str) -> dict[str, str]:
    """Make that mistake; return the environment that belongs to it."""
    if what == "file empty":
        schedule(checkout, "")
    if what == "file broken":
        schedule(checkout, "schedules: {log-it: [")
    if what == "unknown task":
        schedule(checkout, "schedules: {log-it: {task: scheduler.tasks.log_itt, every: 10s}}")
    (checkout.path / "broken.py").write_text("import nothere\n")
    return {
        "redis refused": {"SCHEDULER_REDIS_URL": "redis://127.0.0.1:1/0"},
        "state directory is a file": {"SCHEDULER_STATE_DIR": str(checkout.path / "README.md")},
        "state directory too long": {"SCHEDULER_STATE_DIR": "x" * 120},
        "file missing": {"SCHEDULER_FILE": "nope.yaml"},
        "import error in a task module": {"SCHEDULER_IMPORTS": "broken"},
    }.get(what, {})


def test_a_page_that_cannot_start_stops_everything_and_its_last_lines_say_why(checkout: Checkout) -> None:
    (checkout.path / "scheduler" / "web.py").write_text("raise RuntimeError('no page today')\n")
    done = checkout.run("up")
    assert done.returncode == 1
    assert "no page today" in done.stderr
    assert done.stderr.splitlines()[-1] == (
        "scheduler: admin ended with 1 before the service was ready, and everything was stopped: "
        "its last lines are above"
    )
    checkout.assert_clean()


def test_an_application_of_the_directory_is_not_served_in_place_of_the_page(checkout: Checkout) -> None:
    for name in ("app.py", "gunicorn.conf.py"):
        (checkout.path / name).write_text("raise RuntimeError('the file of a user')\n")
    with checkout.up() as up:
        page = Page(up.ready())
        page.log_in(up.password)
        assert "log-it" in page.get("/")
    assert "the file of a user" not in up.output()


def test_nothing_is_readable_by_other_users_and_no_secret_is_told_twice(checkout: Checkout) -> None:
    with checkout.up() as up:
        up.ready()
        state = checkout.path / ".scheduler"
        assert not list(open_to_others(state))
        assert (state / "run" / "redis.sock").stat().st_mode & 0o777 == 0o600
        told = [line for line in up.output().splitlines() if up.password in line]
        assert len(told) == 1
        secrets = (up.password, (state / "secret-key").read_text().strip())
        assert not [text for text in everything_about(checkout, state) if any(secret in text for secret in secrets)]


def test_the_first_start_prints_a_link_that_logs_in_once_and_read_only_lets_nobody_change_anything(
    checkout: Checkout,
) -> None:
    with checkout.up("--read-only") as up:
        url = up.ready()
        secret = up.find(rf"or log in once with {re.escape(url)}login\?once=(\S+)$")[1]
        page, late = Page(url), Page(url)
        page.post("/login", once=secret)
        assert "log-it" in page.get("/schedules")
        assert "Run now" not in page.get("/schedules/log-it")
        status, words = refusal(page, "/schedules/log-it/pause")
        assert (status, "the page is read-only" in words) == (403, True)
        status, words = refusal(late, "/login", once=secret)
        assert (status, "This link was used already" in words) == (401, True)


def refusal(page: Page, path: str, **fields: str) -> tuple[int, str]:
    """The status and the page with which a form is refused."""
    with pytest.raises(urllib.error.HTTPError) as refused:
        page.post(path, **fields)
    with refused.value as answer:
        return answer.code, answer.read().decode()


def open_to_others(state: Path) -> Iterator[Path]:
    for path in (state, *state.iterdir()):
        with suppress(FileNotFoundError):  # beat writes its snapshot beside the one that it replaces
            if path.stat().st_mode & 0o077:
                yield path


def everything_about(checkout: Checkout, state: Path) -> Iterator[str]:
    """What other users or later readers might see: command lines, environments, and the files that are no secret."""
    for line in checkout.processes():
        yield line
        with suppress(OSError):  # it has ended
            yield Path(f"/proc/{line.split()[0]}/environ").read_text(errors="replace")
    for path in (state / "admin-password-hash", state / "up.lock"):
        yield path.read_text()
