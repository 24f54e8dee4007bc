"""The command ``import crontab``."""

from __future__ import annotations

import os
import pwd
import re
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import click
from tzlocal import get_localzone_name

from scheduler.cli.crontab.jobs import Owner, owner_named
from scheduler.cli.crontab.reader import read_crontab
from scheduler.cli.crontab.text import file_lines
from scheduler.cli.crontab.whole import import_machine
from scheduler.cli.printing import counted, say
from scheduler.errors import Exit
from scheduler.model.accounts import PATTERN, RULE
from scheduler.timing import get_zone
from scheduler.timing.errors import TimingError


def read_zone(_: click.Context, __: click.Parameter, value: str | None) -> str:
    """The zone that the crontab's machine is in."""
    try:
        name = value or get_localzone_name() or "UTC"
        get_zone(name)
    except TimingError as error:
        raise click.BadParameter(str(error)) from None
    return name


@click.command()
@click.argument("file", type=click.File(), required=False)
@click.option("--system", is_flag=True, help="A system crontab, such as /etc/crontab: each line names a user.")
@click.option("--timezone", callback=read_zone, help="Time zone of the crontab's machine; this machine's if left out.")
@click.option("--user", help="Whose crontab it is: its schedules run as that account. Yours if left out.")
@click.option("--home", help="Their home directory, where cron starts the jobs; this machine's entry if left out.")
@click.option("--machine", is_flag=True, help="All of this machine instead of FILE; as root.")
@click.option("--output", type=click.Path(path_type=Path), help="With --machine: the directory to write the files to.")
@click.option(
    "--root", type=click.Path(path_type=Path, exists=True), help="With --machine: where its copy is; / if left out."
)
def crontab(
    file: TextIO | None,
    system: bool,
    timezone: str,
    user: str | None,
    home: str | None,
    machine: bool,
    output: Path | None,
    root: Path | None,
) -> int:
    """Print a crontab as a schedule file.

    FILE is - for standard input, as in `crontab -l | … import crontab -`. Lines that cannot be converted are listed
    as comments, with the reason.

    --machine reads /etc/crontab, /etc/cron.d, the scripts of cron.hourly, daily, weekly and monthly, anacrontab and the
    crontab of every user. It prints a file for each account, for `include: schedules.d/*.yaml`, with what to enable,
    what a job may lack, and how to switch off each old line.
    """
    if machine == (file is not None) or (machine and (system or user or home)):
        raise click.UsageError("give either FILE, or --machine without --system, --user and --home")
    if (output or root) and not machine:
        raise click.UsageError("--output and --root need --machine")
    if file is None:
        return import_machine(root or Path("/"), output, timezone)
    return import_file(file, system, timezone, user, home)


def import_file(file: TextIO, system: bool, timezone: str, user: str | None, home: str | None) -> int:
    """Print one crontab; returns the exit code."""
    if home is not None and not home.startswith("/"):
        raise click.BadParameter(f"'{home}' is no absolute path: begin it with /", param_hint="--home")
    if user and not re.fullmatch(PATTERN, user):
        raise click.BadParameter(f"{user!r} cannot be the name of an account: {RULE}", param_hint="--user")
    owner = owner_named(user) if user else you()
    owner = replace(owner, home=home) if home else owner
    try:
        jobs, left = read_crontab(file.read(), owner, system=system, named=bool(user))
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{file.name} is not UTF-8 text: {error.reason} at byte {error.start}") from None
    click.echo("\n".join(file_lines(jobs, timezone, "" if system or user or not jobs else owner.name)))
    if left:
        click.echo("")
    for item in left:
        say(f"# line {item.line}: {item.text.strip()}")
        say(f"#   {item.reason}")
        say(f"scheduler: {file.name}:{item.line}: {item.reason}: {item.text.strip()}", err=True)
    lines = f"{counted(len(left), 'line')} to look at"
    say(f"scheduler: {counted(len(jobs), 'schedule')}, {lines}", err=True)
    return Exit.OK


def you() -> Owner:
    """The user who runs this command."""
    try:
        entry = pwd.getpwuid(os.getuid())
        return Owner(entry.pw_name, entry.pw_dir)
    except KeyError:  # a container may run under a number alone
        return Owner(str(os.getuid()), os.environ.get("HOME", ""))
