"""The command that prints the application's own schedules: import beat-schedule."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import click

from scheduler.cli.common import Service, with_service
from scheduler.cli.printing import counted, say
from scheduler.command_name import schema_comment
from scheduler.errors import Exit
from scheduler.printable import printable

PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9._-]*|[0-9.]+[a-z]+([0-9.]+[a-z]+)*")
WORDS = ("true", "false", "null")  #: what YAML reads as no text


@click.command(name="beat-schedule", short_help="Print a beat_schedule as a schedule file.")
@with_service
def beat_schedule(service: Service) -> int:
    """Print the application's beat_schedule as a schedule file.

    Reads SCHEDULER_CELERY_APP with what add_periodic_task added. What cannot be converted is listed as comments, with
    the reason.
    """
    brought = service.brought
    where = service.settings.celery_app or "the imported modules"
    # As Celery does it: runs may overlap.
    click.echo(f"{schema_comment()}\ndefaults: {{overlap: allow}}\n\nschedules:" + ("" if brought.fields else " {}"))
    for name, fields in brought.fields.items():
        click.echo("\n".join(schedule_lines(name, fields, f"beat_schedule {brought.sources[name]!r} of {where}")))
    errors = [problem for problem in brought.problems if problem.severity == "error"]
    for problem in brought.problems:
        say(f"# {problem}")
        say(f"scheduler: {problem}", err=True)
    say(f"scheduler: {counted(len(brought.fields), 'schedule')}, {len(errors)} to convert by hand", err=True)
    return Exit.OK


def schedule_lines(name: str, fields: Mapping[str, Any], source: str) -> Iterator[str]:
    """One schedule, below a comment that names its place in the application."""
    yield ""
    yield f"  # {printable(source)}"
    yield f"  {name if PLAIN.fullmatch(name) and name.lower() not in WORDS else quoted(name)}:"
    for key, value in fields.items():
        yield f"    {key}: {value if key in ('task', 'every') and PLAIN.fullmatch(value) else quoted(value)}"


def quoted(value: object) -> str:
    """JSON, which YAML reads alike."""
    return json.dumps(value, ensure_ascii=False)
