"""Every ``--help`` is whole in a terminal of 80 columns."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module

import click
import pytest
from click.testing import CliRunner

from scheduler import installation
from scheduler.cli import EPILOG, MODULES, cli
from scheduler.model import Reason
from tests.support.documents import ROOT

COLUMNS = 80


def commands(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    """Every command as it is typed, groups included."""
    yield path
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield (*path, name)


def help_of(command: tuple[str, ...]) -> str:
    done = CliRunner().invoke(cli, [*command, "--help"], terminal_width=COLUMNS, prog_name="python3 -m scheduler")
    assert done.exit_code == 0, done.output
    return done.output


ALL = [command for command in commands(cli) if command not in (("install",), ("uninstall",))]


@pytest.mark.parametrize("command", ALL, ids=" ".join)
def test_no_line_is_cut_or_too_long(command: tuple[str, ...]) -> None:
    usage, *lines = help_of(command).splitlines()
    assert not [line for line in (usage, *lines) if len(line) > COLUMNS]
    assert not [line for line in lines if line.endswith("...")]


def test_the_help_of_history_lists_every_reason_as_it_is_typed() -> None:
    listed = " ".join(help_of(("history",)).partition("--reason WORD")[2].partition("--since")[0].split())
    for reason in Reason:
        typed = f'"{reason}"' if " " in reason else str(reason)
        assert re.search(rf"(: |, ){typed}[,.]", listed), typed
    assert 'Failed: error, "time limit"' in listed


@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_the_commands_for_a_machine_show_their_own_options(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    with pytest.raises(SystemExit, match=r"^0$"):
        installation.main([command, "--help"])
    output = capsys.readouterr().out
    assert "--dry-run" in output
    assert not [line for line in output.splitlines() if len(line) > COLUMNS]


def test_the_examples_are_commands_that_exist() -> None:
    examples = EPILOG.partition("exit codes:")[0].splitlines()
    names = {line.split()[0] for line in examples if line.startswith("  ")}
    assert len(names) > 8
    assert names <= set(cli.commands)


def test_every_command_of_a_module_is_in_the_table_of_commands() -> None:
    for module, names in MODULES.items():
        assert {it.name for it in import_module(f"scheduler.cli.{module}").COMMANDS} == set(names)
    modules = {path.stem for path in (ROOT / "scheduler/cli").glob("*.py") if "\nCOMMANDS = " in path.read_text()}
    assert modules == set(MODULES)


def test_the_version_is_told_without_loading_redis_celery_or_the_model() -> None:
    code = "import sys; from scheduler.cli import main; main(['--version']); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "click" in loaded
    assert not {"redis", "celery", "pydantic", "scheduler.model"} & set(loaded)


def test_a_timing_on_the_command_line_is_explained_without_loading_redis_celery_or_the_model() -> None:
    code = "import sys; from scheduler.cli import main; main(['next', '--cron', '* * * * *']); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "scheduler.timing" in loaded
    theirs = {"redis", "celery", "pydantic", "asyncio", "yaml", "dateutil", "ephem", "urllib3"}
    ours = {"model", "operations", "settings", "status", "storage.client"}
    assert not {*theirs, *(f"scheduler.{name}" for name in ours)} & set(loaded)


@pytest.mark.slow
def test_a_question_for_the_next_runs_loads_neither_celery_nor_what_only_changes_need() -> None:
    code = "import sys, scheduler.cli.upcoming, scheduler.operations.schedules; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "scheduler.operations.schedules" in loaded
    theirs = {"celery.app", "kombu", "redbeat", "flask", "yaml", "dateutil", "ephem", "urllib3"}
    ours = {
        "application",
        "changes",
        "checkout",
        "installation",
        "registry",
        "schedule_file",
        "sending.message",
        "validate",
    }
    assert not {*theirs, *(f"scheduler.{name}" for name in ours)} & set(loaded)


@pytest.mark.slow
def test_a_command_loads_no_operation_that_it_does_not_ask() -> None:
    code = "import sys, scheduler.cli.look; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "scheduler.operations.schedules" in loaded
    assert not {"scheduler.operations.every", "scheduler.operations.bulk", "scheduler.changes.bulk"} & set(loaded)
