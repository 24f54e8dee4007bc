"""Every command of README and docs, run as it is written there, beside the service that the first command starts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.processes import Checkout, temporary_checkout
from tests.support import need
from tests.support.documents import PAGES, ROOT, commands, of_kind
from tests.support.polling import until

#: Each with the file that runs it.
SHOWN_ELSEWHERE = {
    "python3 -m scheduler up": "tests/acceptance/test_first_command.py",
    "python3 -m scheduler test": ".ci/run",
    "sudo python3 -m scheduler install": "tests/systemd/test_install.py",
    "sudo celery-scheduler uninstall": "tests/systemd/test_install.py",
    "sudo celery-scheduler uninstall --purge": "tests/systemd/test_install.py",
    "sudo celery-scheduler import crontab --machine --output /etc/celery-scheduler/schedules.d": (
        "tests/unit/cli/test_import_machine.py"
    ),
    "python3 -m scheduler import django-celery-beat > schedules.yaml": "tests/integration/test_import_django.py",
    "python3 -m scheduler import django-celery-beat --compare 20": "tests/integration/test_import_django.py",
    "celery -A scheduler.celeryapp beat": "tests/support/service.py",
    "celery -A scheduler.celeryapp worker": "tests/support/service.py",
    "gunicorn --config=python:scheduler.admin.serving scheduler.web:app": "tests/chaos/page.py",
}
#: No test runs what fetches from the network.
FETCHES = {
    "sudo apt install python3-pip",
    "sudo python3 -m pip --python /opt/celery-scheduler/venv/bin/python install --upgrade tzdata",
    "sudo systemctl restart celery-beat celery-admin",
}
#: What exit codes say that are no failure; 78: no systemd here.
SAID_BY_EXIT_CODE = {"plan": {0, 2}, "status": {0, 1}, "doctor": {0, 1}, "install --dry-run": {0, 78}}

pytestmark = pytest.mark.xdist_group("up")


@pytest.fixture(scope="module")
def service() -> Iterator[Checkout]:
    """A checkout whose service is up and has loaded the file."""
    with temporary_checkout() as checkout, checkout.up() as up:
        up.ready()
        until(lambda: "Loaded schedules.yaml" in up.output(), 60, "beat loads the file")
        yield checkout


def shell(checkout: Checkout, line: str) -> subprocess.CompletedProcess[str]:
    """Run a line of a page in the checkout, as in a second terminal."""
    environment = checkout.environment()
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    return subprocess.run(
        ["bash", "-c", line],
        cwd=checkout.path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def needs(line: str) -> None:
    """Skip where this machine lacks the program that a line starts."""
    if line.startswith("redis-cli"):
        need.program("redis-cli")


def test_the_pages_show_commands_and_those_that_are_not_run_here_are_run_elsewhere() -> None:
    shown = [line for page in PAGES for line in commands(page)]
    assert len(shown) > 20
    assert {line for line in shown if line in SHOWN_ELSEWHERE} == set(SHOWN_ELSEWHERE)
    assert {line for line in shown if line in FETCHES} == FETCHES
    assert [file for file in SHOWN_ELSEWHERE.values() if not (ROOT / file).exists()] == []


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)])
def test_the_commands_of_a_page_work_in_their_order(service: Checkout, page: str) -> None:
    for command in commands(page):
        if command in SHOWN_ELSEWHERE or command in FETCHES:
            continue
        needs(command)
        done = shell(service, command)
        allowed = next((codes for word, codes in SAID_BY_EXIT_CODE.items() if f"scheduler {word}" in command), {0})
        assert done.returncode in allowed, f"{command}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr


def unless_under_way(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str] | None:
    """Nothing where a run was refused because the schedule's own was under way."""
    return None if done.returncode and " already" in done.stdout else done


@pytest.mark.parametrize("page", [page for page in PAGES if of_kind(page, "console page")])
def test_the_calls_of_the_api_that_a_page_shows_are_answered(service: Checkout, page: str) -> None:
    need.program("curl")
    (url,) = re.findall(r"^page +(http://[\d.:]+)", shell(service, "python3 -m scheduler status").stdout, re.MULTILINE)
    made = shell(service, "python3 -m scheduler token add reader --role operator").stdout
    (token,) = re.findall(r"^token +(\S+)", made, re.MULTILINE)
    for command in commands(page, "console page"):
        typed = command.replace("https://jobs.example.com", url)
        line = f"TOKEN={token}; {typed} --fail-with-body --silent --show-error"
        done = until(lambda line=line: unless_under_way(shell(service, line)), 60, f"the run before ended: {line}")  # type: ignore[misc]
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


def test_the_calls_from_flask_code_leave_their_results_where_the_page_says(service: Checkout) -> None:
    code = next(text for text in of_kind("docs/tasks.md", "python") if "log_it.delay" in text)
    look = next(line for line in commands("docs/tasks.md") if "celery-task-meta" in line)
    needs(look)
    assert shell(service, f"python3 - <<'END'\n{code}\nEND").returncode == 0

    def results() -> list[str]:
        keys = shell(service, look).stdout.split()
        read = [
            line
            for key in keys
            for line in shell(service, look.split(" --scan")[0] + f" get {key}").stdout.splitlines()
        ]
        return [text for text in read if '"status": "SUCCESS"' in text and '"result": 13' in text]

    until(results, 60, "log_it.delay(5, 8) has the result 13 under celery-task-meta-<id>")
