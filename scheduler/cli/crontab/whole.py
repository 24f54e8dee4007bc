"""``import crontab --machine``: a schedule file for each account of a machine that has jobs of cron."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from scheduler.cli.crontab.included import included_lines
from scheduler.cli.crontab.jobs import names
from scheduler.cli.crontab.machine import Left, Machine
from scheduler.cli.printing import counted, say
from scheduler.command_name import command_name
from scheduler.errors import Exit
from scheduler.model.accounts import enabling

SWITCH = (
    "let each job run here once, and switch its old line off then: the comment above it has the command. "
    "While both are on, it runs twice"
)


def import_machine(root: Path, output: Path | None, timezone: str) -> int:
    """Print the files, or write them into a directory; returns the exit code."""
    machine = Machine(root)
    try:
        machine.read()
    except PermissionError as error:
        say(
            f"scheduler: only root may read {error.filename}: run sudo {command_name()} import crontab --machine",
            err=True,
        )
        return Exit.NO_PERMISSION
    files = dict(made(machine, timezone))
    if output is None:
        for name, text in files.items():
            click.echo(f"# file: schedules.d/{name}\n{text}")
        for line in left_lines(machine.left):
            say(f"# {line}")
    elif code := write(files, output):
        return code
    for line in left_lines(machine.left):
        say(f"scheduler: {line}", err=True)
    for owner, _ in machine.by_owner():
        say(f"scheduler: for the jobs of {owner}: {enabling(owner)}", err=True)
    say(f"scheduler: {SWITCH}", err=True)
    items = f"{counted(len(machine.left), 'line')} to look at"
    say(f"scheduler: {counted(len(machine.jobs), 'schedule')} in {counted(len(files), 'file')}, {items}", err=True)
    return Exit.OK


def made(machine: Machine, timezone: str) -> Iterator[tuple[str, str]]:
    """The name and the text of each file; no two schedules of all files have the same name."""
    together = [job for _, jobs in machine.by_owner() for job in jobs]
    given = iter(names(together))
    for owner, jobs in machine.by_owner():
        own = [next(given) for _ in jobs]
        yield f"cron-{owner}.yaml", "\n".join(included_lines(owner, jobs, own, timezone)) + "\n"


def left_lines(left: list[Left]) -> Iterator[str]:
    """What no schedule comes from, with the reason."""
    for path, item in left:
        place = f"{path}:{item.line}" if item.line else path
        yield f"{place}: {item.reason}" + (f": {item.text.strip()}" if item.text else "")


def write(files: dict[str, str], directory: Path) -> int:
    """Write the files, unless one of them exists; returns an exit code, 0 if all are written. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    if existing := next((name for name in files if (directory / name).exists()), ""):
        say(f"scheduler: {directory / existing} exists already: move it away, or give another directory", err=True)
        return Exit.CANT_CREATE
    paths = {directory / name: text for name, text in files.items()}
    try:
        for path, text in paths.items():
            path.write_text(text, encoding="utf-8")
    except OSError as error:  # all of them or none: a part of a file might be valid
        for written in paths:
            written.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error
    for path in paths:
        say(f"wrote {path}")
    return Exit.OK
