"""What a schedule's fields mean together: its timing, calendars, task and arguments."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import lru_cache

from scheduler import references, timing
from scheduler.model import TIMING_KINDS, Declared, Schedule, read_instant
from scheduler.validate.terms import MAX_FINDINGS, Finding, Path, near, shown

Tasks = Mapping[str, inspect.Signature | None]
Calendars = Mapping[str, tuple[str, ...]]
MAX_DEPTH = 32
CARRIED = frozenset({str, int, bool, type(None)})
KEYS = frozenset({*Schedule.model_fields, "except"})
REFERENCES = "write ${NAME} or ${file:/path}, and $${ for ${ itself"
UNKNOWN_CALENDAR = "unknown calendar"
SOURCE = "tasks come from SCHEDULER_IMPORTS and `imports:`"


def timing_findings(declared: Declared) -> Iterable[Finding]:
    """Whether its timing can be built, with its start, end, zone and excluded days."""
    schedule = declared.schedule
    kind, text = next((kind, text) for kind in TIMING_KINDS if (text := getattr(schedule, kind)) is not None)
    # Its name decides nothing but which of several values a ~ or a jitter picks.
    name = declared.name if "~" in text or schedule.jitter else ""
    return judged(name, kind, text, schedule.timezone, schedule.start, schedule.end, declared.excluded, schedule.jitter)


@lru_cache(maxsize=16_384)
def judged(
    name: str,
    kind: str,
    text: str,
    zone: str,
    start: str | None,
    end: str | None,
    excluded: tuple[str, ...],
    jitter: timedelta,
) -> tuple[Finding, ...]:
    """What is wrong with a timing. Many schedules share one, so that each is built once."""
    found: list[Finding] = []
    ends: dict[str, datetime | None] = {}
    for key, given in (("start", start), ("end", end)):
        try:
            ends[key] = read_instant(given, zone, key)
        except timing.TimingError as error:
            found.append(from_timing(error, key))
    if not found:
        try:
            timing.build(kind, text, zone=zone, name=name, excluded=excluded, jitter=jitter, **ends)
        except timing.TimingError as error:
            found.append(from_timing(error, kind))
        if kind == "cron" and restricts_both_days(text):
            what = "day-of-month and day-of-week are both given: it runs on every day that fits either"
            remedy = "keep it if that is meant, else write * for one of them"
            found.append(Finding(("cron",), what, remedy, severity="warning"))
    return tuple(found)


def from_timing(error: timing.TimingError, key: str) -> Finding:
    """A refused timing, at the key that it names if it names one, else at ``key``."""
    path = error.field if error.field in KEYS else key
    return Finding((path,), error.problem, error.remedy)


def restricts_both_days(expression: str) -> bool:
    """Cron's own rule: a field that begins with a star does not restrict."""
    fields = expression.split()
    return len(fields) in (5, 6) and not fields[-3].startswith(("*", "?")) and not fields[-1].startswith(("*", "?"))


def excluded_days(names: tuple[str, ...], calendars: Calendars) -> tuple[tuple[str, ...], list[Finding]]:
    """The entries of the calendars of these names, and the names that are none."""
    findings = []
    texts: dict[str, None] = {}
    for index, name in enumerate(names):
        if name in calendars:
            texts.update(dict.fromkeys(calendars[name]))
        else:
            remedy = near(name, calendars) or f"declare it under calendars:, where there is {listed(calendars)}"
            findings.append(Finding(("except", index), f"{UNKNOWN_CALENDAR} {shown(name)}", remedy))
    return tuple(texts), findings


def listed(names: Mapping[str, object]) -> str:
    return ", ".join(sorted(names)[:10]) or "none yet"


def task_findings(schedule: Schedule, tasks: Tasks) -> Iterator[Finding]:
    """Whether the task is registered and takes these arguments."""
    if schedule.task not in tasks:
        hint = near(schedule.task, tasks)
        remedy = f"{hint} T{SOURCE[1:]}" if hint else SOURCE
        yield Finding(("task",), f"unknown task {shown(schedule.task)}", remedy)
        return
    signature = tasks[schedule.task]
    if signature is None:
        return
    unexpected = unexpected_arguments(schedule, signature)
    for key in unexpected:
        what = f"task {shown(schedule.task)} takes no argument {shown(key)}"
        remedy = f"{near(key, signature.parameters)} {takes(signature)}".strip()
        yield Finding(("kwargs", key), what, remedy, at_key=True)
    try:
        if not unexpected:
            signature.bind(*schedule.args, **schedule.kwargs)
    except TypeError as error:
        key = "args" if schedule.args else "kwargs" if schedule.kwargs else "task"
        yield Finding((key,), f"the arguments do not fit task {shown(schedule.task)}: {error}", takes(signature))


def unexpected_arguments(schedule: Schedule, signature: inspect.Signature) -> list[str]:
    parameters = signature.parameters
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return []
    return [key for key in schedule.kwargs if key not in parameters][:MAX_FINDINGS]


def takes(signature: inspect.Signature) -> str:
    """The arguments as Python writes them, without annotations."""
    bare = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in signature.parameters.values()]
    return f"it takes {signature.replace(parameters=bare, return_annotation=inspect.Signature.empty)}"[:200]


def json_findings(value: object, path: Path) -> Iterator[Finding]:
    """Everything in an argument that JSON cannot carry to the worker, or that begins like a reference and is none."""
    if type(value) in CARRIED:
        if type(value) is str and "${" in value and (wrong := references.malformed(value)):
            yield Finding(path, f"{shown(wrong)} is neither a variable nor a file", REFERENCES)
        return
    if len(path) > MAX_DEPTH:
        yield Finding(path, f"{path[0]} is nested more than {MAX_DEPTH} levels deep", "nest less")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from json_findings(item, (*path, key))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from json_findings(item, (*path, index))
    elif isinstance(value, float) and not math.isfinite(value):
        yield Finding(path, f"{value} is not a number that JSON can carry", "write a finite number, or quote it")
    elif not isinstance(value, float):
        yield Finding(path, f"a {type(value).__name__} cannot be sent as JSON", "use text, numbers, lists and mappings")
