"""The documents say what the code does: settings, commands, exit codes."""

from __future__ import annotations

import re
from pathlib import Path

import click

from scheduler import settings
from scheduler.cli import EPILOG, cli
from scheduler.errors import Exit

ROOT = Path(__file__).resolve().parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SOURCE = Path(settings.__file__).read_text(encoding="utf-8")


def test_every_setting_has_a_row_in_the_readme_and_every_row_is_a_setting() -> None:
    read = set(re.findall(r'"(SCHEDULER_[A-Z_]+)"', SOURCE))
    told = set(re.findall(r"^\| `(SCHEDULER_[A-Z_]+)`", README, re.MULTILINE))
    assert told == read


def test_every_command_that_the_readme_names_exists_and_every_command_is_named() -> None:
    named = set(re.findall(r"(?:python3 -m |celery-)scheduler (\w+)", README))
    assert named == set(cli.commands)


def test_every_exit_code_is_explained_in_the_help() -> None:
    told = {int(code) for code in re.findall(r"(?:^|\s)(\d+) [A-Za-z]", EPILOG.partition("exit codes:")[2])}
    assert told == {int(code) for code in Exit}


def test_every_command_says_what_it_does_and_reading_ones_speak_json() -> None:
    for name, command in cli.commands.items():
        assert command.help, name
    reading = ("check", "plan", "apply", "list", "next", "run", "history", "pause", "resume", "status")
    for name in reading:
        options = {
            flag for param in cli.commands[name].params if isinstance(param, click.Option) for flag in param.opts
        }
        assert "--json" in options, name
