"""What a form would do, before it is saved: when it runs, what its task takes, and what changes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from scheduler import timing
from scheduler.admin.service import service
from scheduler.changes import clock
from scheduler.model import TIMING_KINDS, Declared, Entry
from scheduler.schedule_file.write_back import CannotSplice, splice, unified_diff
from scheduler.status.tasks import TaskHelp, help_of
from scheduler.storage.instants import to_seconds
from scheduler.validate import validate_fields
from scheduler.validate.advice import advise

UPCOMING = 5
TIMED_BY = (*TIMING_KINDS, "timezone", "start", "end", "jitter", "except")


@dataclass(frozen=True)
class When:
    """A valid timing: as the file spells it, in words, its next instants, and what to know of it."""

    spelling: str
    sentence: str
    zones: tuple[str, ...]
    upcoming: tuple[datetime, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Preview:
    """None where there is nothing to show."""

    when: When | None
    task: TaskHelp | None
    patch: str  #: the lines of the file that would change it likewise; empty for no change, or an invalid form


def preview(name: str, fields: Mapping[str, Any], entry: Entry | None, zone: str, *, is_valid: bool) -> Preview:
    """What these fields would do; ``zone`` is the reader's own time zone, empty if it is not known."""
    given = {key: value for key, value in fields.items() if value is not None}
    declared = checked(name, {key: value for key, value in given.items() if key in TIMED_BY} | {"task": "any"})
    whole = checked(name, given) if is_valid else None
    when = when_of(declared, zone, entry) if declared else None
    return Preview(when, task_help(str(given.get("task") or "")), patch(whole, entry) if whole else "")


def checked(name: str, fields: Mapping[str, Any]) -> Declared | None:
    return validate_fields(name or "new", fields, tasks=None, calendars=service().store.calendars())[0]


def when_of(declared: Declared, zone: str, entry: Entry | None) -> When:
    """What the timing means."""
    built, now = declared.timing, clock()
    upcoming = tuple(islice(built.each_after(now), UPCOMING))
    text = declared.schedule.timing_text
    spelling = f"{declared.schedule.kind}: {text if declared.schedule.kind == 'every' else json.dumps(text)}"
    own = zone if zone in timing.zone_names() else ""
    zones = tuple(dict.fromkeys(filter(None, (built.zone, own, "UTC"))))
    warnings = [f"{it.what} — {it.remedy}" for it in advise({declared.name: declared}, now)]
    if upcoming and (beside := due_beside(to_seconds(built.send_at(upcoming[0])), entry)):
        others = "1 other schedule is" if beside == 1 else f"{beside:,} other schedules are"
        warnings.append(f"{others} due at the first of these moments — choose another minute, or set jitter")
    return When(spelling, built.words(), zones, upcoming, tuple(warnings))


def due_beside(at: float, entry: Entry | None) -> int:
    """How many other schedules are due at this moment, if none is later than that."""
    store = service().store
    mine = store.client.zscore(store.keys.schedule, store.keys.entry(entry.name)) if entry else None
    return int(store.client.zcount(store.keys.schedule, at, at)) - (mine == at)


def task_help(name: str) -> TaskHelp | None:
    """What is known of a task; None for one that this process does not know."""
    tasks = service().tasks or {}
    return help_of(tasks, service().celery, name) if name in tasks else None


def patch(after: Declared, entry: Entry | None) -> str:
    """The schedule as the file would say it; for one that exists, the difference to what governs now."""
    new = written(after.name, after.fields())
    return unified_diff(written(entry.name, entry.fields), new, entry.name) if entry else new


def written(name: str, fields: Mapping[str, Any]) -> str:
    """A schedule as a file of its own; empty for one that no file can express."""
    try:
        return splice("schedules: {}\n", {name: {k: v for k, v in fields.items() if k != "excluded"}}).text
    except CannotSplice:
        return ""
