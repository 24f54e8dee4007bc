"""The command that prints django-celery-beat's rows: import django-celery-beat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice, zip_longest
from typing import Any

import click

from scheduler.application import django_celery_beat as theirs
from scheduler.application.brought import Brought
from scheduler.cli.beat_schedule import schedule_lines
from scheduler.cli.common import Service, with_service
from scheduler.cli.printing import counted, say
from scheduler.command_name import schema_comment
from scheduler.errors import Exit
from scheduler.validate import validate_fields

HEAD = "# As django-celery-beat does it: runs may overlap.\ndefaults: {overlap: allow}\n\nschedules:"


@click.command(name="django-celery-beat", short_help="Print django-celery-beat's rows as a schedule file.")
@click.option("--compare", type=click.IntRange(1, 1000), metavar="N", help="Compare the next N instants, old and new.")
@with_service
def django_celery_beat(service: Service, compare: int | None) -> int:
    """Print the PeriodicTask rows of a Django application as a schedule file.

    Reads them through SCHEDULER_CELERY_APP. What cannot be converted is listed as comments, with the reason. With
    --compare, prints for each row when it runs there and when it would run here, in UTC.
    """
    try:
        rows = theirs.rows(service.celery)
    except theirs.NoRows as error:
        say(f"scheduler: {error}", err=True)
        return Exit.CONFIG
    brought = theirs.read(rows)
    if compare is None:
        print_file(brought)
    else:
        print_comparison(brought, rows, compare)
    for problem in brought.problems:
        say(f"# {problem}")
        say(f"scheduler: {problem}", err=True)
    left = sum(problem.severity == "error" for problem in brought.problems)
    say(f"scheduler: {counted(len(brought.fields), 'schedule')}, {left} to convert by hand", err=True)
    return Exit.OK


def print_file(brought: Brought) -> None:
    """The schedules, each below the name of its row."""
    click.echo(f"{schema_comment()}\n{HEAD}" + ("" if brought.fields else " {}"))
    for name, fields in brought.fields.items():
        click.echo("\n".join(schedule_lines(name, fields, f"PeriodicTask {brought.sources[name]!r}")))


def print_comparison(brought: Brought, rows: Iterable[Any], count: int) -> None:
    """The next instants of each schedule, there and here, side by side."""
    now = datetime.now(UTC)
    by_name = {row.name: row for row in rows}
    for name, fields in brought.fields.items():
        old = islice(theirs.old_instants(by_name[brought.sources[name]], now), count)
        new = islice(new_instants(name, fields, now), count)
        say(name)
        say(f"  {'django-celery-beat':<24}here")
        for left, right in zip_longest(map(shown, old), map(shown, new), fillvalue="-"):
            say(f"  {left:<24}{right}" + ("" if left == right else "  differs"))


def new_instants(name: str, fields: Mapping[str, Any], now: datetime) -> Iterator[datetime]:
    """When a schedule with these fields runs after ``now``."""
    declared, _ = validate_fields(name, fields, tasks=None)
    if declared is None or not declared.schedule.enabled:
        return
    timing, instant = declared.timing, now
    limit = declared.schedule.max_runs
    count = 0
    while (limit is None or count < limit) and (following := timing.next_after(instant)) is not None:
        yield following
        instant, count = following, count + 1


def shown(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S}"
