"""The only way in: every schedule, from the file or the admin, passes :meth:`Gate.schedule`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, get_args

from scheduler import references
from scheduler.model import NAME_PATTERN, NOTHING, TIMING_KINDS, Declared, Policies, Schedule
from scheduler.model.retry import OF_RETRIES
from scheduler.model.what_runs import KINDS, Http
from scheduler.printable import shown
from scheduler.validate import elsewhere, meaning, what_runs
from scheduler.validate.meaning import KEYS, Calendars, Tasks
from scheduler.validate.terms import MAX_FINDINGS, NAME_RULE, Finding, check

Outcome = tuple[Declared | None, list[Finding]]
NAME = re.compile(NAME_PATTERN)
CALL = frozenset({"task", "args", "kwargs"})
OPTIONAL = [
    name
    for name, field in Schedule.model_fields.items()
    if type(None) in get_args(field.annotation) and name not in TIMING_KINDS
]
TIMED_BY = frozenset({*TIMING_KINDS, "timezone"})
NO_TIMING = "it has no timing"
ONE_TIMING = "write exactly one of cron, every, at, rrule and solar"


@dataclass(frozen=True)
class Gate:
    """Checks schedules against the registered tasks (None: do not check) and the top of the file."""

    tasks: Tasks | None
    calendars: Calendars
    inherited: Mapping[str, Any] = field(default_factory=dict)
    #: Cached findings about a call: they depend only on its task, the number of args and the names of kwargs.
    calls: dict[tuple[str, int, tuple[str, ...]], list[Finding]] = field(default_factory=dict)

    def schedule(self, name: str, data: object) -> Outcome:
        """The schedule, or None, and all findings; their paths start inside the schedule."""
        findings = name_findings(name)
        if not isinstance(data, dict):
            what = f"a schedule must be a mapping with keys such as task: and cron:, not {shown(data)}"
            return None, [*findings, Finding((), what, "indent its keys below its name")]
        findings += timing_key_findings(data)
        findings += what_runs.key_findings(data)
        findings += retry_findings({**self.inherited, **data}, data)
        findings += empty_findings(data)
        fields = {**self.inherited, **data}
        if "user" in data and "queue" not in data:
            fields.pop("queue", None)  # that of defaults: an account has its own
        schedule, wrong = check(Schedule, fields)
        findings = without_answered([*findings, *wrong], data)
        broken = {finding.path[0] for finding in findings if finding.path}
        # One wrong key must not hide what is wrong with the others.
        declared, more = self.meaning(name, schedule or salvage(fields, wrong), broken)
        findings += more
        return (None if any(f.severity == "error" for f in findings) else declared), findings

    def meaning(self, name: str, schedule: Schedule | None, broken: set[str | int]) -> Outcome:
        """Check what the model cannot: timing, calendars, task, arguments. Checks with broken keys are skipped."""
        if schedule is None:
            return None, []
        excluded, findings = meaning.excluded_days(schedule.except_, self.calendars)
        declared = Declared(name, schedule, excluded)
        if broken.isdisjoint(TIMED_BY) and not schedule.model_fields_set.isdisjoint(TIMING_KINDS):
            findings += meaning.timing_findings(declared)
        findings += meaning.reference_findings(("ping",), schedule.ping, in_run=False)
        findings += islice(meaning.literal_findings(schedule.celery_options), MAX_FINDINGS)
        for key in references.KEYS:
            if key in schedule.model_fields_set:
                value = plain(getattr(schedule, key))
                findings += islice(meaning.json_findings(value, (key,)), MAX_FINDINGS)
                findings += islice(meaning.reference_findings((key,), value, in_run=True), MAX_FINDINGS)
        findings += what_runs.value_findings(schedule)
        if self.tasks is not None and broken.isdisjoint(CALL):
            findings += self.call(schedule, self.tasks)
            findings += meaning.link_findings(schedule, self.tasks)
        return declared, findings

    def call(self, schedule: Schedule, tasks: Tasks) -> list[Finding]:
        """Findings about the task and its arguments; none for a command, which needs no task of yours."""
        if schedule.task is None:
            return []
        key = (schedule.task, len(schedule.args), tuple(schedule.kwargs))
        if key not in self.calls:
            self.calls[key] = [*meaning.task_findings(schedule, tasks)]
        return self.calls[key]


def plain(value: object) -> object:
    """A field as the file has it; of a request, what may be any JSON or refer to something."""
    return value.open_values() if isinstance(value, Http) else value


def name_findings(name: str) -> list[Finding]:
    """An error if this is no valid name of a schedule."""
    if NAME.fullmatch(name):
        return []
    return [Finding((), f"{shown(name)} is not a valid name", NAME_RULE, at_key=True)]


def timing_key_findings(data: Mapping[str, Any]) -> list[Finding]:
    """Findings unless there is exactly one timing key, with a value."""
    given = [kind for kind in TIMING_KINDS if kind in data]
    if len(given) == 1 and data[given[0]] is not None:
        return []
    if not given:
        return [Finding((), NO_TIMING, ONE_TIMING, at_key=True)]
    findings = [Finding((kind,), f"{kind} is empty", ONE_TIMING) for kind in given if data[kind] is None]
    if len(given) > 1:
        what = f"{', '.join(given[:-1])} and {given[-1]} are {'both' if len(given) == 2 else 'all'} given"
        findings.append(Finding((given[-1],), what, ONE_TIMING, at_key=True))
    return findings


def retry_findings(fields: Mapping[str, Any], data: Mapping[str, Any]) -> list[Finding]:
    """Errors for keys of a schedule that say how to retry where nothing is retried."""
    if fields.get("retries", 0) != 0 or "retries" in data:  # `retries: 0` is meant
        return []
    return [
        Finding((key,), f"{key} has no effect without retries", "add retries: 3, or delete it", at_key=True)
        for key in OF_RETRIES
        if key in data
    ]


def without_answered(findings: list[Finding], data: Mapping[str, Any]) -> list[Finding]:
    """The findings without those of a missing task or timing that another scheduler's key gives: one error for both."""
    given = elsewhere.given(data.keys() - KEYS)
    missing = [finding for finding in findings if finding.path in ((), ("task",)) and finding.at_key]
    answered = [
        finding
        for finding in missing
        if (finding.path and given & {*KINDS}) or (finding.what == NO_TIMING and "timing" in given)
    ]
    return [finding for finding in findings if finding not in answered] if answered else findings


def empty_findings(data: Mapping[str, Any]) -> list[Finding]:
    """Findings for empty keys that the model would accept as missing; it reports the others itself."""
    if None not in data.values():
        return []
    return [
        Finding((key,), f"{key} is empty", f"write {NOTHING} for none, or delete the line")
        if key in Policies.model_fields
        else Finding((key,), f"{key} is empty", "write a value, or delete the line")
        for key in OPTIONAL
        if key in data and data[key] is None
    ]


def salvage(fields: Mapping[str, Any], wrong: list[Finding]) -> Schedule | None:
    """The schedule without its broken keys, so that the others can be checked too."""
    broken = {finding.path[0] for finding in wrong if finding.path}
    kept = {key: value for key, value in fields.items() if key not in broken}
    return check(Schedule, kept)[0]
