"""What another program changed with RedBeat's own API, translated to our fields.

``RedBeatSchedulerEntry.save`` writes ``definition`` and the score, and knows nothing of our fields. The leader
meets such an entry when it is due, or when it looks through all of them, and takes the change over.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from scheduler import timing
from scheduler.model import TIMING_KINDS, Entry, Overlaid
from scheduler.model.what_runs import kind_of
from scheduler.sending.decide import GRACE
from scheduler.storage import entries
from scheduler.storage.entries import DamagedEntry
from scheduler.storage.instants import to_seconds

#: What RedBeat always writes, and the file leaves out.
DEFAULTS: dict[str, Any] = {"args": [], "kwargs": {}, "enabled": True}


def adopted(entry: Entry, stored: Mapping[str, str], now: datetime, zone: str = "UTC") -> Entry:
    """The entry as the other program means it; raises DamagedEntry when our fields cannot express that.

    ``zone`` is the application's, which a crontab of RedBeat means.
    """
    if entry.origin == "redbeat":
        entry = replace(entry, zone=zone)
        return replace(entry, due=first_due(entry, now), error="")
    try:
        definition = json.loads(stored["definition"])
        changed = changed_fields(entry, definition, zone)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedEntry(f"another program's change cannot be read: {error}") from error
    ends_pause = entry.pause is not None and definition.get("enabled") is True
    if ends_pause and entry.fields.get("enabled", True):
        del changed["enabled"]
    entry = replace(entry, zone=zone)
    after = overlaid(entry, changed, now) if entry.is_declared else replace(entry, fields=entry.fields | changed)
    after = replace(after, fields={key: value for key, value in after.fields.items() if value is not None}, error="")
    if entry.pause is not None and ends_pause:
        after = replace(after, pause=replace(entry.pause, until=to_seconds(now)))
    if "enabled" in changed or entries.job(after).timing != entries.job(entry).timing:
        after = replace(after, due=entries.job(after).timing.next_due(now))
    return after


def audit(before: Entry, after: Entry, now: datetime) -> dict[str, Any]:
    """The line for the audit log; empty for an entry that is the other program's own."""
    if before.origin == "redbeat":
        return {}
    line = {"by": "redbeat", "at": to_seconds(now), "change": "edit", "before": before.fields, "after": after.fields}
    return line | {"why": "saved through RedBeat's own API", "schedule": before.name}


def first_due(entry: Entry, now: datetime) -> datetime | None:
    """The first due instant of an entry for which RedBeat stores only the last run; never one before it existed."""
    due_timing = entries.job(entry).timing
    due = due_timing.next_due(entry.last_run_at or now)
    could_be_met = due is None or due == entry.due or due >= now - GRACE
    return due if could_be_met else due_timing.next_due(now)


def overlaid(entry: Entry, changed: dict[str, Any], now: datetime) -> Entry:
    """The entry with these fields in its overlay, as changes by ``redbeat``; none for a value that the file has too."""
    notes = entry.overlay | {key: Overlaid(value, "redbeat", to_seconds(now)) for key, value in changed.items()}
    overlay = {key: note for key, note in notes.items() if note.value != entry.base.get(key)}
    return replace(entry, fields=entry.fields | changed, overlay=overlay)


def changed_fields(entry: Entry, definition: dict[str, Any], zone: str) -> dict[str, Any]:
    """The fields, in the file's words, in which the definition differs from what we last wrote; None takes one away."""
    expected = json.loads(entries.definition(entry, entries.job(entry)))
    names = [key for key in ("task", "args", "kwargs", "enabled") if definition.get(key) != expected[key]]
    if kind_of(entry.fields) != "task" and not {"task", "args", "kwargs"}.isdisjoint(names):
        raise ValueError("only the schedule file can change what a command runs")
    changed: dict[str, Any] = {key: None if definition[key] == DEFAULTS.get(key) else definition[key] for key in names}
    chosen, was = definition.get("options") or {}, expected["options"]
    changed |= {key: chosen.get(key) for key in ("queue", "priority") if chosen.get(key) != was.get(key)}
    for option, key in (("time_limit", "timeout"), ("expires", "expires")):
        if chosen.get(option) != was.get(option):
            changed[key] = None if chosen.get(option) is None else in_words(chosen[option])
    if definition.get("schedule") != expected["schedule"] and not are_stand_ins(definition, expected):
        changed |= dict.fromkeys(kind for kind in TIMING_KINDS if kind in entry.fields)
        changed |= timing_fields(definition["schedule"], zone)
    return changed


def in_words(seconds: float) -> str:
    return timing.format_duration(timedelta(seconds=seconds))


def are_stand_ins(*definitions: dict[str, Any]) -> bool:
    """Whether each has the single instant that we write where RedBeat cannot express a timing; it changes by itself."""
    schedules = [definition.get("schedule") for definition in definitions]
    return all(isinstance(it, dict) and (it.get("__type__"), it.get("count")) == ("rrule", 1) for it in schedules)


def timing_fields(schedule: Any, zone: str) -> dict[str, Any]:
    """RedBeat's schedule as one of our timing keys; ``zone`` is Celery's."""
    if isinstance(schedule, Mapping) and schedule.get("__type__") == "interval":
        return {"every": in_words(float(schedule["every"]))}
    if isinstance(schedule, Mapping) and schedule.get("__type__") == "crontab":
        parts = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
        if "*" in (schedule["day_of_month"], schedule["day_of_week"]):
            return {"cron": " ".join(str(schedule[part]).replace(" ", "") for part in parts), "timezone": zone}
    raise ValueError("its new schedule is of a kind that the file has no word for")
