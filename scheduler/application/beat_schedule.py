"""The application's ``beat_schedule``, with what ``add_periodic_task`` added, in the words of the schedule file."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from celery import Celery
from celery.schedules import crontab

from scheduler import timing
from scheduler.application.brought import Brought
from scheduler.application.calls import CLEANUP, call_fields, whole_call
from scheduler.application.timings import CannotSay, timing_fields
from scheduler.errors import ConfigurationError
from scheduler.model import Problem
from scheduler.printable import printable
from scheduler.timing.errors import TimingError

MAX_NAME = 80  #: leaves room for what makes two equal names differ
KEYS = frozenset({"task", "schedule", "args", "kwargs", "options", "relative"})


def brought(app: Celery) -> Brought:
    """The schedules of an application; imports its modules, as ``beat`` and ``worker`` do."""
    app.loader.import_default_modules()
    app.finalize()
    declared = {**(app.conf.beat_schedule or {}), **default_entries(app)}
    return read(declared, getattr(app, "scheduler_zone", "") or zone_of(app))


def default_entries(app: Celery) -> dict[str, Any]:
    """What Celery's beat adds: it deletes old results each night, where the result backend does not do it."""
    declared = app.conf.beat_schedule or {}
    if (
        CLEANUP in declared
        or not (app.conf.result_backend and app.conf.result_expires)
        or app.backend.supports_autoexpire
    ):
        return {}
    return {CLEANUP: {"task": CLEANUP, "schedule": crontab("0", "4", "*"), "options": {"expires": 12 * 3600}}}


def zone_of(app: Celery) -> str:
    """The IANA name of the application's time zone; raises ConfigurationError."""
    zone = app.timezone
    name = str(getattr(zone, "key", None) or getattr(zone, "zone", None) or zone)
    try:
        timing.get_zone(name)
    except TimingError:
        raise ConfigurationError(
            f"the application's timezone is {name[:100]}, which is no IANA name: set one such as Europe/Berlin"
        ) from None
    return name


def read(beat_schedule: Mapping[str, Any], zone: str) -> Brought:
    """Translate a ``beat_schedule``; ``zone`` is the IANA name that its crontabs mean."""
    names = file_names([str(name) for name in beat_schedule])
    fields: dict[str, Mapping[str, Any]] = {}
    problems: list[Problem] = []
    for (source, entry), name in zip(beat_schedule.items(), names, strict=True):
        where = printable(str(source))[:100]
        try:
            said, notes = entry_fields(entry, zone)
        except CannotSay as error:
            problems.append(Problem(f"the application's beat_schedule: {error}", error.remedy, where))
            continue
        fields[name] = said if name == source else {"description": f"beat_schedule: {where}", **said}
        problems += [
            Problem(f"the application's beat_schedule: {note}", "check its next runs", where, severity="warning")
            for note in notes
        ]
    sources = {name: str(source) for name, source in zip(names, beat_schedule, strict=True)}
    return Brought(fields, sources, tuple(problems))


def file_names(sources: list[str]) -> list[str]:
    """A name that the schedule file accepts for each; where two become equal, both get letters of their own."""
    short = [re.sub("[^A-Za-z0-9._-]+", "-", source).strip("-._")[:MAX_NAME] or "unnamed" for source in sources]
    count = Counter(name.casefold() for name in short)
    return [
        name if name == source or count[name.casefold()] == 1 else f"{name}-{letters(source)}"
        for name, source in zip(short, sources, strict=True)
    ]


def letters(source: str) -> str:
    return hashlib.sha1(source.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()[:6]


def entry_fields(entry: Any, zone: str) -> tuple[dict[str, Any], list[str]]:
    """The fields of one entry, and what becomes different; raises CannotSay."""
    if not isinstance(entry, Mapping):
        raise CannotSay(f"an entry must be a mapping, not {type(entry).__name__}", "write it as Celery documents it")
    if unknown := sorted(map(str, entry.keys() - KEYS)):
        raise CannotSay(f"it has the key {unknown[0]!r}", f"use {', '.join(sorted(KEYS))}")
    if "task" not in entry or "schedule" not in entry:
        raise CannotSay("it needs a task and a schedule", "add what is missing, or remove it")
    said, notes = timing_fields(entry["schedule"], zone, relative=bool(entry.get("relative")))
    call, more = call_fields(*whole_call(entry))
    task = call.pop("task")
    return {"task": task, **said, **call}, notes + more
