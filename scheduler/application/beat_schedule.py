"""The application's ``beat_schedule``, with what ``add_periodic_task`` added, in the words of the schedule file."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from celery import Celery

from scheduler import timing
from scheduler.application.brought import Brought
from scheduler.application.timings import CannotSay, timing_fields
from scheduler.errors import ConfigurationError
from scheduler.model import Problem
from scheduler.printable import printable
from scheduler.timing.errors import TimingError

MAX_NAME = 80  #: leaves room for what makes two equal names differ
KEYS = frozenset({"task", "schedule", "args", "kwargs", "options", "relative"})
#: Options that change how Celery sends or stores, and not what runs.
WITHOUT_EFFECT = frozenset({"compression", "delivery_mode", "ignore_result", "retry", "retry_policy", "shadow"})
IN_THE_TASK = "have the task do this, and take the option out"


def brought(app: Celery) -> Brought:
    """The schedules of an application; imports its modules, as ``beat`` and ``worker`` do."""
    app.loader.import_default_modules()
    app.finalize()
    return read(app.conf.beat_schedule or {}, getattr(app, "scheduler_zone", "") or zone_of(app))


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
    fields: dict[str, Any] = {"task": task_name(entry["task"]), **said}
    if args := entry.get("args"):
        fields["args"] = as_json(list(args))
    if kwargs := entry.get("kwargs"):
        fields["kwargs"] = as_json(dict(kwargs))
    options, more = option_fields(entry.get("options") or {})
    return fields | options, notes + more


def as_json(arguments: Any) -> Any:
    """Arguments as the schedule file would hold them; raises CannotSay."""
    try:
        plain = json.loads(json.dumps(arguments))
    except (TypeError, ValueError) as error:
        raise CannotSay(f"its arguments are not JSON: {error}", "use texts, numbers, lists and mappings") from None
    return escaped(plain)


def escaped(value: Any) -> Any:
    """The same value for the file, in which ``${`` begins a reference."""
    if isinstance(value, str):
        return value.replace("${", "$${")
    if isinstance(value, list):
        return [escaped(item) for item in value]
    return {key: escaped(item) for key, item in value.items()} if isinstance(value, dict) else value


def task_name(task: Any) -> str:
    """The name of a task, which may be given as an object."""
    name = task if isinstance(task, str) else getattr(task, "name", None) or getattr(task, "task", None)
    if not isinstance(name, str):
        raise CannotSay(f"its task is a {type(task).__name__}", "write the task's name")
    return name


def option_fields(options: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The options of ``apply_async`` as policies, and those without effect; raises CannotSay."""
    fields: dict[str, Any] = {}
    notes: list[str] = []
    for name, value in options.items():
        if value is None:
            continue
        if name in WITHOUT_EFFECT or (name, value) == ("serializer", "json"):
            notes += [f"the option {name} has no effect here"] if name in WITHOUT_EFFECT else []
        elif name in OPTIONS:
            key, convert = OPTIONS[name]
            fields[key] = convert(name, value)
        else:
            raise CannotSay(f"it has the option {name!r}, for which the file has no word", IN_THE_TASK)
    if "soft_time_limit" in options and "time_limit" in options:
        fields["timeout"] = duration("soft_time_limit", options["soft_time_limit"])
        notes.append("time_limit: a run is killed 15 s after its soft_time_limit")
    return fields, notes


def duration(name: str, value: Any) -> str:
    """Seconds or a timedelta as text."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = timedelta(seconds=value)
    if not isinstance(value, timedelta):
        raise CannotSay(f"its option {name} is a {type(value).__name__}", "give it in seconds")
    return timing.format_duration(value)


def queue(_: str, value: Any) -> str:
    """The name of a queue, which may be given as kombu's object."""
    return str(getattr(value, "name", value))


def unchanged(_: str, value: Any) -> Any:
    return value


OPTIONS: dict[str, tuple[str, Callable[[str, Any], Any]]] = {
    "expires": ("expires", duration),
    "queue": ("queue", queue),
    "priority": ("priority", unchanged),
    "time_limit": ("timeout", duration),
    "soft_time_limit": ("timeout", duration),
}
