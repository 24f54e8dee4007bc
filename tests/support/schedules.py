"""Schedules as the gate lets them through, for tests that start behind it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from scheduler.model import Declared, Entry
from scheduler.validate import validate_fields

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)  #: a Monday, far from every change of clocks
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def declared(name: str = "job", calendars: Mapping[str, tuple[str, ...]] | None = None, **fields: Any) -> Declared:
    """A valid schedule: `every: 1m` of a task that needs no registration, unless told otherwise."""
    given = {key.rstrip("_"): value for key, value in fields.items()}
    if given.keys().isdisjoint(("task", "command", "shell", "http")):
        given["task"] = "reports.build"
    if not {"cron", "every", "at", "rrule", "solar"} & given.keys():
        given["every"] = "1m"
    found, problems = validate_fields(name, given, tasks=None, calendars=calendars)
    assert found is not None, [str(problem) for problem in problems]
    return found


def entry_of(wanted: Declared, origin: str = "file", now: datetime = NOON, **more: Any) -> Entry:
    """The entry that loading this schedule at `now` makes."""
    fields = wanted.fields()
    base = fields if origin == "file" else {}
    due = more.pop("due", wanted.timing.next_due(now))
    return Entry(wanted.name, origin, fields, base, due=due, **more)  # type: ignore[arg-type]
