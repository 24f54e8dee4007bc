"""Warnings about valid schedules, each with a remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from scheduler import timing
from scheduler.model import Declared, Problem

PERIOD = timedelta(days=366)  #: look this far ahead for clock changes
MANY_AT_MINUTE_0 = 10  #: schedules; from this number on, advise to spread them


def advise(declared: Mapping[str, Declared], now: datetime) -> list[Problem]:
    """Warnings about the year after ``now``: clock changes, uneven intervals, timeouts of 0s, many at minute 0."""
    warnings = [warning for item in declared.values() for warning in advise_one(item, now)]
    crowd = sorted(name for name, item in declared.items() if starts_at_minute_0(item))
    if len(crowd) >= MANY_AT_MINUTE_0:
        examples = ", ".join(crowd[:3])
        what = f"{len(crowd)} schedules run at minute 0 ({examples}, …)"
        warnings.append(warning(crowd[0], "cron", what, "write ~ as the minute to spread them by name, or set jitter"))
    return warnings


def advise_one(item: Declared, now: datetime) -> Iterator[Problem]:
    """Warnings about one schedule."""
    built = item.timing
    for note in timing.clock_changes(built, now, now + PERIOD):
        remedy = "Debian's cron does the same; to avoid it, choose another time of day, or timezone: UTC"
        yield warning(item.name, item.schedule.kind, note.words, remedy)
    uneven = timing.uneven_every(built)
    if uneven:
        yield warning(item.name, "every", uneven, "write a divisor of a day, or a cron expression")
    if item.schedule.timeout == timedelta():
        yield warning(item.name, "timeout", "a timeout of 0s is no limit", "write none, or one such as 10m")


def starts_at_minute_0(item: Declared) -> bool:
    """Whether it fires at minute 0, without jitter."""
    schedule = item.schedule
    if schedule.cron is None or schedule.jitter:
        return False
    fields = schedule.cron.split()
    return fields[-5:-4] == ["0"] or schedule.cron.strip() in ("@hourly", "@daily", "@midnight", "@weekly", "@monthly")


def warning(name: str, key: str, what: str, remedy: str) -> Problem:
    return Problem(what, remedy, schedule=name, key=key, severity="warning")
