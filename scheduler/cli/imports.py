"""The commands that convert jobs from elsewhere: import crontab, import beat-schedule, import django-celery-beat."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TextIO

import click
from tzlocal import get_localzone_name

from scheduler.cli.beat_schedule import beat_schedule
from scheduler.cli.common import counted, say
from scheduler.cli.crontab_file import ImportedJob, read_crontab
from scheduler.cli.django_celery_beat import django_celery_beat
from scheduler.command_name import schema_comment
from scheduler.errors import Exit
from scheduler.printable import printable
from scheduler.timing import get_zone
from scheduler.timing.errors import TimingError

HEAD = """\
# As cron does it: runs may overlap, and missed runs are not caught up.
defaults: {overlap: allow, catch_up: none}

schedules:"""
A_DAY = 86_400  #: seconds; cron stops no command, and the task would after 5 minutes


def read_zone(_: click.Context, __: click.Parameter, value: str | None) -> str:
    """The zone that the crontab's machine is in."""
    try:
        name = value or get_localzone_name() or "UTC"
        get_zone(name)
    except TimingError as error:
        raise click.BadParameter(str(error)) from None
    return name


@click.group(name="import")
def import_() -> None:
    """Convert jobs from elsewhere into schedules."""


@import_.command()
@click.argument("file", type=click.File())
@click.option("--system", is_flag=True, help="A system crontab, such as /etc/crontab: each line names a user.")
@click.option("--timezone", callback=read_zone, help="Time zone of the crontab's machine; this machine's if left out.")
def crontab(file: TextIO, system: bool, timezone: str) -> int:
    """Print a crontab as a schedule file.

    FILE is - for standard input, as in `crontab -l | … import crontab -`. Lines that cannot be converted are listed
    as comments, with the reason.
    """
    try:
        jobs, left = read_crontab(file.read(), system=system)
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{file.name} is not UTF-8 text: {error.reason} at byte {error.start}") from None
    click.echo(f"{schema_comment()}\n{HEAD}" + ("" if jobs else " {}"))
    for job in jobs:
        click.echo("\n".join(schedule_lines(job, timezone)))
    for item in left:
        say(f"# line {item.line}: {item.text.strip()}")
        say(f"#   {item.reason}")
        say(f"scheduler: {file.name}:{item.line}: {item.reason}: {item.text.strip()}", err=True)
    lines = f"{counted(len(left), 'line')} to convert by hand"
    say(f"scheduler: {counted(len(jobs), 'schedule')}, {lines}", err=True)
    return Exit.OK


def schedule_lines(job: ImportedJob, timezone: str) -> Iterator[str]:
    """One schedule; every text is quoted as JSON quotes it, which YAML reads alike."""
    kwargs = {"argv": job.run, "timeout": A_DAY} | ({"directory": job.directory} if job.directory else {})
    yield ""
    yield f"  {job.name}:" + (f"  # ran as {printable(job.user)}" if job.user else "")
    if job.description:
        yield f"    description: {quoted(job.description)}"
    yield "    task: scheduler.tasks.run_command"
    every = job.cron.removeprefix("@every ")
    yield f"    cron: {quoted(job.cron)}" if every == job.cron else f"    every: {every}"
    zone = job.timezone or timezone
    if zone != "UTC" and every == job.cron:
        yield f"    timezone: {zone}"
    yield f"    kwargs: {quoted(kwargs)}"


def quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


import_.add_command(beat_schedule)
import_.add_command(django_celery_beat)
COMMANDS = (import_,)
