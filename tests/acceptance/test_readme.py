"""Every command of the README, run as it stands there, beside the service that its first command starts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.processes import ROOT, Checkout, temporary_checkout
from tests.support.polling import until

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
COMMANDS = [line.split("  #")[0].strip() for kind, text in BLOCKS if kind == "console" for line in text.splitlines()]
SHOWN_ELSEWHERE = {
    "python3 -m scheduler up": "test_first_command.py",
    "python3 -m scheduler test": "the run of this test",
    "sudo python3 -m scheduler install": "tests/systemd/test_install.py",
}
SAID_BY_EXIT_CODE = {"plan": {0, 2}, "status": {0, 1}, "doctor": {0, 1}}

pytestmark = pytest.mark.xdist_group("up")


@pytest.fixture(scope="module")
def service() -> Iterator[Checkout]:
    """A checkout whose service is up and has loaded the file."""
    with temporary_checkout() as checkout, checkout.up() as up:
        up.ready()
        until(lambda: "Loaded schedules.yaml" in up.output(), 60, "beat loads the file")
        yield checkout


def shell(checkout: Checkout, line: str) -> subprocess.CompletedProcess[str]:
    """Run a line of the README in the checkout, as in a second terminal."""
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


def test_the_readme_shows_commands() -> None:
    assert len(COMMANDS) > 12
    assert [line for line in COMMANDS if line in SHOWN_ELSEWHERE] == list(SHOWN_ELSEWHERE)


def test_the_commands_of_the_readme_work_in_their_order(service: Checkout) -> None:
    for command in COMMANDS:
        if command in SHOWN_ELSEWHERE:
            continue
        done = shell(service, command)
        allowed = next((codes for word, codes in SAID_BY_EXIT_CODE.items() if f"scheduler {word}" in command), {0})
        assert done.returncode in allowed, f"{command}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr


def test_the_calls_from_flask_code_leave_their_results_where_the_readme_says(service: Checkout) -> None:
    code = next(text for kind, text in BLOCKS if kind == "python" and "log_it.delay" in text)
    assert shell(service, f"python3 - <<'END'\n{code}\nEND").returncode == 0
    look = next(line for line in COMMANDS if "celery-task-meta" in line)

    def results() -> list[str]:
        keys = shell(service, look).stdout.split()
        read = [
            line
            for key in keys
            for line in shell(service, look.split(" --scan")[0] + f" get {key}").stdout.splitlines()
        ]
        return [text for text in read if '"status": "SUCCESS"' in text and '"result": 13' in text]

    until(results, 60, "log_it.delay(5, 8) has the result 13 under celery-task-meta-<id>")
