"""The command next.

What asks Redis is imported when it is needed: a timing on the command line needs neither redis-py nor pydantic.
"""

from __future__ import annotations

import json
from datetime import datetime
from itertools import islice
from typing import Any

import click

from scheduler import timing as timings
from scheduler.cli.common import Desk, as_json, local, read_instant, with_desk
from scheduler.cli.printing import print_json, print_table, say
from scheduler.errors import Exit
from scheduler.storage.instants import clock, iso
from scheduler.timing import TimingError

MAX_DUE = 10_000  #: due instants that one answer has


@click.command(name="next")
@click.argument("name", required=False)
@click.option("--cron", help="A cron expression, in place of a schedule's name.")
@click.option("--words", help='A timing in words, such as "every weekday at 9"; shows its spelling in the file.')
@click.option("--timezone", default="UTC", show_default=True, help="Time zone of --cron and --words.")
@click.option("--after", callback=read_instant, help='Start at this time, as "2026-12-24 18:00" (UTC); default: now.')
@click.option("-n", "count", type=click.IntRange(1, 10_000), default=5, show_default=True, help="Number of runs.")
@click.option("--all", "every", is_flag=True, help="Every schedule in one timeline; needs --until.")
@click.option("--until", callback=read_instant, help="End of the timeline of --all, written as for --after.")
@as_json
@with_desk
def next_(
    desk: Desk,
    name: str | None,
    cron: str | None,
    words: str | None,
    timezone: str,
    after: datetime | None,
    count: int,
    every: bool,
    until: datetime | None,
    json_: bool,
) -> int:
    """Show when a schedule or a timing runs next.

    With --all, a timeline of every schedule.
    """
    asked = [name is not None, cron is not None, words is not None, every]
    if asked.count(True) != 1 or every != (until is not None):
        raise click.UsageError("give a schedule's name, --cron EXPRESSION, --words TEXT, or --all --until TIME")
    if until is not None:
        return show_timeline(desk, after or clock(), until, json_)
    if name is None:
        zone = timezone
        description, instants = typed_instants(cron, words, timezone, after or clock(), count)
    else:
        from scheduler.operations import schedules

        answer = desk.ask(schedules.upcoming, name=name, after=after, count=count)
        zone, description, instants = answer["timezone"], answer["timing"], answer["next"]
    if json_:
        print_json({"timing": description, "timezone": zone, "next": instants})
        return Exit.OK
    say(description)
    for instant in instants:
        say(local(instant, zone) + ("" if zone == "UTC" else f"  =  {local(instant)}"))
    return Exit.OK


def show_timeline(desk: Desk, begin: datetime, until: datetime, json_: bool) -> int:
    """What runs when, every schedule in one line of time."""
    from scheduler.operations import schedules

    due: list[dict[str, Any]] = []
    after: datetime | str | None = begin
    while after is not None:
        page = desk.ask(schedules.timeline, after=after, until=until, limit=MAX_DUE)
        due, after = due + page["items"], page["next"]
    if json_:
        print_json(due)
    else:
        print_table(("AT", "SCHEDULE"), [(local(it["at"]), it["schedule"]) for it in due])
    return Exit.OK


def typed_instants(
    cron: str | None, words: str | None, zone: str, begin: datetime, count: int
) -> tuple[str, list[str | None]]:
    """A timing from the command line, told in words or as the file spells it, and its next instants."""
    try:
        kind, text = ("cron", cron) if cron is not None else timings.from_words(str(words))
        timing = timings.build(kind, text, zone=zone)
    except TimingError as error:
        raise click.UsageError(str(error)) from None
    description = timing.words() if cron is not None else f"{kind}: {json.dumps(text)}"
    return description, [iso(instant) for instant in islice(timing.each_after(begin), count)]


COMMANDS = (next_,)
