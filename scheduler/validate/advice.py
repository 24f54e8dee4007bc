"""What a person should be told of schedules that are valid: warnings, each with the answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from scheduler import timing
from scheduler.model import Declared, Problem

AHEAD = timedelta(days=366)
CROWD = 10  #: schedules at minute 0 from which it is worth spreading them


def advise(declared: Mapping[str, Declared], now: datetime) -> list[Problem]:
    """Warnings about the year after ``now``: clock changes that touch a run, uneven intervals, a crowded minute 0."""
    found = [warning for item in declared.values() for warning in advise_one(item, now)]
    crowd = sorted(name for name, item in declared.items() if starts_at_minute_0(item))
    if len(crowd) >= CROWD:
        some = ", ".join(crowd[:3])
        what = f"{len(crowd)} schedules run at minute 0 ({some}, …)"
        found.append(warning(crowd[0], "cron", what, "write ~ for the minute to spread them by name, or set jitter"))
    return found


def advise_one(item: Declared, now: datetime) -> Iterator[Problem]:
    """Warnings about one schedule."""
    built = item.timing()
    for note in timing.clock_changes(built, now, now + AHEAD):
        remedy = (
            "that is once, as Debian's cron does it; choose a time outside the change, or timezone: UTC, to avoid it"
        )
        yield warning(item.name, item.schedule.kind, note.words, remedy)
    uneven = timing.uneven_every(built)
    if uneven:
        yield warning(item.name, "every", uneven, "write a divisor of a day, or a cron expression")


def starts_at_minute_0(item: Declared) -> bool:
    """Whether it fires at the full hour, unspread."""
    schedule = item.schedule
    if schedule.cron is None or schedule.jitter:
        return False
    fields = schedule.cron.split()
    return fields[-5:-4] == ["0"] or schedule.cron.strip() in ("@hourly", "@daily", "@midnight", "@weekly", "@monthly")


def warning(name: str, key: str, what: str, remedy: str) -> Problem:
    return Problem(what, remedy, schedule=name, key=key, severity="warning")
