"""Checks of fields together: timing, calendars, task and arguments."""

from __future__ import annotations

import inspect
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from scheduler import references, timing
from scheduler.kept import kept
from scheduler.model import TIMING_KINDS, Declared, Schedule, read_instant
from scheduler.model.what_runs import FILE_ONLY, NOTIFYING, kind_of
from scheduler.printable import near, shown
from scheduler.run_words import INSTANTS, WORDS, wrong_format
from scheduler.schedule_file import printable
from scheduler.validate.terms import MAX_FINDINGS, Finding, Path

Tasks = Mapping[str, inspect.Signature | None]
Calendars = Mapping[str, tuple[str, ...]]
MAX_DEPTH = 32
CALL = ("task", "args", "kwargs")
SCALARS = frozenset({str, int, bool, type(None)})
KEYS = frozenset({*Schedule.model_fields, "except"})
REFERENCES = "write ${NAME} or ${file:/path}, and $${ for a literal ${"
DIRECTIVES = "write directives of `date`, such as ${due:%Y-%m-%d %H:%M}"
UNKNOWN_CALENDAR = "unknown calendar"
UNKNOWN_TASK = "unknown task"
SOURCE = "tasks come from SCHEDULER_IMPORTS and `imports:`"


def timing_findings(declared: Declared) -> Iterable[Finding]:
    """Findings about its timing, with start, end, zone and excluded days."""
    schedule = declared.schedule
    kind, text = next((kind, text) for kind in TIMING_KINDS if (text := getattr(schedule, kind)) is not None)
    # The name matters only for ~ and jitter. Without it, schedules with equal timings share one cached result.
    name = declared.name if "~" in text or schedule.jitter else ""
    return judged(name, kind, text, schedule.timezone, schedule.start, schedule.end, declared.excluded, schedule.jitter)


@kept(16_384)
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
    """Findings about a timing; cached, since many schedules share one."""
    findings: list[Finding] = []
    ends: dict[str, datetime | None] = {}
    for key, given in (("start", start), ("end", end)):
        try:
            ends[key] = read_instant(given, zone, key)
        except timing.TimingError as error:
            findings.append(from_timing(error, key))
    if not findings:
        try:
            timing.build(kind, text, zone=zone, name=name, excluded=excluded, jitter=jitter, **ends)
        except timing.TimingError as error:
            findings.append(from_timing(error, kind))
        if kind == "cron" and restricts_both_days(text):
            what = "day-of-month and day-of-week are both restricted: it runs on days that match either"
            remedy = "if only one should count, write * for the other"
            findings.append(Finding(("cron",), what, remedy, severity="warning"))
    return tuple(findings)


def from_timing(error: timing.TimingError, key: str) -> Finding:
    """The finding for a timing error, at the error's own field if that is a key, else at ``key``."""
    path = error.field if error.field in KEYS else key
    return Finding((path,), error.problem, error.remedy)


def restricts_both_days(expression: str) -> bool:
    """Whether both day fields restrict: in cron, a field that starts with ``*`` does not."""
    fields = expression.split()
    return len(fields) in (5, 6) and not fields[-3].startswith(("*", "?")) and not fields[-1].startswith(("*", "?"))


def excluded_days(names: tuple[str, ...], calendars: Calendars) -> tuple[tuple[str, ...], list[Finding]]:
    """The entries of these calendars, and findings for unknown names."""
    findings = []
    texts: dict[str, None] = {}
    for index, name in enumerate(names):
        if name in calendars:
            texts.update(dict.fromkeys(calendars[name]))
        else:
            remedy = near(name, calendars) or f"declare it under calendars: (declared: {listed(calendars)})"
            findings.append(Finding(("except", index), f"{UNKNOWN_CALENDAR} {shown(name)}", remedy))
    return tuple(texts), findings


def listed(names: Mapping[str, object]) -> str:
    """The first ten names in a sentence."""
    return ", ".join(map(printable, sorted(names)[:10])) or "none yet"


def task_findings(schedule: Schedule, tasks: Tasks) -> Iterator[Finding]:
    """Findings if the task is not registered or does not accept these arguments."""
    name = schedule.task or ""
    if name not in tasks:
        hint = near(name, tasks)
        remedy = f"{hint} T{SOURCE[1:]}" if hint else SOURCE
        yield Finding(("task",), f"{UNKNOWN_TASK} {shown(name)}", remedy)
        return
    if serializer := getattr(tasks, "refused", {}).get(name):
        what = f"task {shown(name)} sends its messages as {shown(serializer)}, and workers accept JSON only"
        yield Finding(("task",), what, "remove serializer= from the task")
    signature = tasks[name]
    if signature is None:
        return
    unexpected = unexpected_arguments(schedule, signature)
    for key in unexpected:
        what = f"task {shown(name)} takes no argument {shown(key)}"
        remedy = f"{near(key, signature.parameters)} {takes(signature)}".strip()
        yield Finding(("kwargs", key), what, remedy, at_key=True)
    try:
        if not unexpected:
            signature.bind(*schedule.args, **schedule.kwargs)
    except TypeError as error:
        key = "args" if schedule.args else "kwargs" if schedule.kwargs else "task"
        yield Finding((key,), f"the arguments do not match task {shown(name)}: {error}", takes(signature))


def link_findings(schedule: Schedule, tasks: Tasks) -> Iterator[Finding]:
    """Findings for tasks that would follow the run and that no process knows."""
    for key in ("link", "link_error"):
        for linked in schedule.celery_options.get(key, ()):
            if (name := linked["task"]) not in tasks and not name.startswith("celery."):
                yield Finding(
                    ("celery_options", key), f"{key}: {UNKNOWN_TASK} {shown(name)}", near(name, tasks) or SOURCE
                )


def import_findings(modules: Iterable[str], tasks: Tasks | None) -> Iterator[Finding]:
    """Findings for modules that this process tried to import and could not."""
    failed: Mapping[str, str] = getattr(tasks, "failed", {})
    for index, module in enumerate(modules):
        if module in failed:
            yield Finding(("imports", index), failed[module])


@dataclass(frozen=True)
class Reserved:
    """Tasks that act on the machine by their arguments, which only the schedule file may set.

    ``kept`` are the fields of the stored schedule, and those of the file: they may stay, or be set back. None of them
    for a new schedule.
    """

    tasks: Collection[str]
    kept: tuple[Mapping[str, Any], ...] = ()

    def findings(self, fields: Mapping[str, Any]) -> list[Finding]:
        """What these fields of a schedule set of such a task."""
        options = fields.get("celery_options", {})
        if options and not any(options == kept.get("celery_options") for kept in self.kept):
            what = "celery_options can start any task, so only the schedule file or the application may set them"
            return [Finding(("celery_options",), what, "declare it there")]
        for key in NOTIFYING:
            if all(fields.get(key) != kept.get(key) for kept in self.kept or ({},)):
                return [Finding((key,), f"{key} is read from the schedule file alone", "set it there")]
        kind, task = kind_of(fields), fields.get("task")
        if kind == "task" and task not in self.tasks and fields.keys().isdisjoint(FILE_ONLY):
            return []
        what = f"task {shown(task)} acts on the machine by its arguments"
        if kind != "task":
            what = f"{kind} runs a program"
        elif "user" in fields:
            what = f"it runs as the account {shown(fields['user'])}"
        what += ", which only the schedule file may set"
        empty: dict[str, Any] = {"args": [], "kwargs": {}}
        changed = [
            key
            for key in (*CALL, *FILE_ONLY)
            if not any(fields.get(key, empty.get(key)) == kept.get(key, empty.get(key)) for kept in self.kept)
        ]
        return [Finding((key,), what, "declare it there") for key in (changed if self.kept else [kind])]


def unexpected_arguments(schedule: Schedule, signature: inspect.Signature) -> list[str]:
    """The keyword arguments that the task does not take, at most MAX_FINDINGS."""
    parameters = signature.parameters
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return []
    return [key for key in schedule.kwargs if key not in parameters][:MAX_FINDINGS]


def takes(signature: inspect.Signature) -> str:
    """``it takes (a, b=1)``: the task's parameters, without annotations."""
    bare = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in signature.parameters.values()]
    return f"it takes {signature.replace(parameters=bare, return_annotation=inspect.Signature.empty)}"[:200]


def literal_findings(options: Mapping[str, Any]) -> Iterator[Finding]:
    """Findings for options of Celery that JSON cannot represent, and for texts that look like references."""
    yield from json_findings(options, ("celery_options",))
    for path, text in references.marked(options, ("celery_options",)):
        what = f"{shown(text)} stays as it is: the worker fills in no references here"
        yield Finding(path, what, "put a reference into args or kwargs", severity="warning")


def reference_findings(place: Path, value: object, *, in_run: bool) -> Iterator[Finding]:
    """Findings for malformed references inside a value, and for words of the run that seem to be misspelt."""
    for path, text in references.marked(value, place):
        if wrong := references.malformed(text, in_run=in_run):
            yield malformed_reference(path, wrong, in_run=in_run)
            continue
        for name in references.variables(text) if in_run else ():
            if name.islower() and (meant := near(name, WORDS)):
                what = f"'${{{name}}}' is an environment variable of the worker"
                yield Finding(path, what, meant, severity="warning")


def malformed_reference(path: Path, wrong: str, *, in_run: bool) -> Finding:
    """The error for a malformed reference, from its ``${`` on."""
    word, colon, form = wrong.removeprefix("${").removesuffix("}").partition(":")
    if not in_run and word in INSTANTS and colon:
        return Finding(path, f"{shown(wrong)} is no reference here: no run belongs to this place", REFERENCES)
    if word in INSTANTS and colon and "}" in wrong:
        return Finding(path, f"{shown(wrong)} is not a valid reference: {wrong_format(form)}", DIRECTIVES)
    if word in WORDS and colon:
        return Finding(
            path, f"{shown(wrong)} is not a valid reference", f"write ${{{word}}}: only an instant has a format"
        )
    meant = near(word, INSTANTS) if in_run and "%" in form else ""
    return Finding(path, f"{shown(wrong)} is not a valid reference", meant or REFERENCES)


def json_findings(value: object, path: Path) -> Iterator[Finding]:
    """Findings for parts of an argument that JSON cannot represent."""
    if type(value) in SCALARS:
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
        yield Finding(path, f"JSON has no number {value}", "write a finite number, or quote it")
    elif not isinstance(value, float):
        yield Finding(path, f"a {type(value).__name__} cannot be sent as JSON", "use text, numbers, lists and mappings")
