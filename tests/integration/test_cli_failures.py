"""Whatever goes wrong around a command ends in one line, with its exit code and without a traceback."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scheduler import cli
from scheduler.errors import Exit
from tests.support.shell import JOB, Shell


@pytest.mark.parametrize("command", ["schema", "--help", "next --cron @daily", "plan"])
def test_a_full_disk_under_its_output_ends_a_command_in_one_line(shell: Shell, command: str) -> None:
    shell.file(JOB)
    called = [sys.executable, "-m", "scheduler", *command.split()]
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(called, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=120)
    assert done.stderr == "scheduler: cannot write: no space left on device; free space there, or raise the limit\n"
    assert done.returncode == Exit.CANT_CREATE


@pytest.mark.parametrize(
    "command", ["list", "status", "history job", "next job", "pause job", "resume job", "plan", "apply"]
)
def test_without_redis_each_command_ends_in_one_line(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    shell.file(JOB)
    monkeypatch.setenv("SCHEDULER_REDIS_URL", "redis://ann:secret@127.0.0.1:1/0")
    said = shell(*command.split())
    assert said.code == Exit.UNAVAILABLE
    assert re.fullmatch(
        r"scheduler: Redis .*does not answer \(.*\): start it, or set SCHEDULER_REDIS_URL.*\n", said.err
    )
    assert "secret" not in said.err


@pytest.mark.parametrize("command", ["pause", "history"])
def test_a_name_that_is_not_utf_8_is_no_schedule(shell: Shell, command: str) -> None:
    said = shell(command, os.fsdecode(b"caf\xe9"))
    assert said.code == Exit.NO_INPUT
    assert "no schedule is called 'caf\\udce9'" in said.err


def test_a_wrong_setting_ends_in_one_line(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEDULER_LEASE", "soon")
    said = shell("list")
    assert (said.code, said.err) == (
        Exit.CONFIG,
        "scheduler: SCHEDULER_LEASE='soon' is not a number: use 3 to 300\n",
    )


def test_a_task_module_that_cannot_be_imported_ends_in_one_line(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "broken_tasks.py").write_text("import json\nraise RuntimeError('boom')\n")
    shell.file(JOB)
    said = shell.apart("check", SCHEDULER_IMPORTS="broken_tasks", PYTHONPATH=str(tmp_path))
    assert said.code == Exit.CONFIG
    assert said.err == (
        "scheduler: SCHEDULER_IMPORTS: cannot import 'broken_tasks': RuntimeError: boom at "
        f"{tmp_path}/broken_tasks.py:2 — fix it, or check its name and that the working "
        "directory or PYTHONPATH leads to it\n"
    )


def test_the_commands_work_from_another_process_too(shell: Shell) -> None:
    shell.file(JOB)
    said = shell.apart("plan")
    assert (said.code, said.out, said.err) == (Exit.CHANGES, "add job\n1 add\n", "")


def test_help_ends_in_examples_and_exit_codes(shell: Shell) -> None:
    said = shell("--help")
    assert said.code == Exit.OK
    assert "check schedules.yaml" in said.out
    for code in Exit:
        assert re.search(rf"\b{int(code)} \w", said.out), code


def test_the_version_is_told(shell: Shell) -> None:
    assert re.fullmatch(r"scheduler, version \d+\.\d+\.\d+\n", shell("--version").out)


@pytest.mark.parametrize("name", sorted(cli.cli.commands.keys() - {"install", "uninstall"}))
def test_every_command_has_a_help_in_a_sentence(shell: Shell, name: str) -> None:
    said = shell(name, "--help")
    assert said.code == Exit.OK
    assert said.out.startswith(f"Usage: python3 -m scheduler {name}")


READS = ("check", "plan", "apply", "list", "next", "history", "status", "run", "pause", "resume")


@pytest.mark.parametrize("name", READS)
def test_every_command_that_tells_something_tells_it_as_json_too(shell: Shell, name: str) -> None:
    assert "--json" in shell(name, "--help").out
