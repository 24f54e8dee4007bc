"""Validate a schedule file, or one schedule from the admin, and explain every error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from scheduler.model import Declared, Position, Problem, ScheduleFile
from scheduler.model.alerts import Alerts
from scheduler.printable import shown
from scheduler.schedule_file import Document, owner, printable
from scheduler.validate import followers, meaning
from scheduler.validate import top as top_of_file
from scheduler.validate.gate import Gate
from scheduler.validate.meaning import UNKNOWN_CALENDAR, Calendars, Reserved, Tasks
from scheduler.validate.terms import MAX_FINDINGS, Finding
from scheduler.validate.unnamed import Unnamed

__all__ = ["Calendars", "Reserved", "Tasks", "Validated", "validate", "validate_beside", "validate_fields"]


@dataclass(frozen=True)
class Validated:
    """The result: ``declared`` has the schedules without errors, with the file's defaults merged in.

    Apply it only if ``ok``. Problems are sorted by position.
    """

    declared: dict[str, Declared]
    problems: tuple[Problem, ...]
    alerts: Alerts = field(default_factory=Alerts)
    ping: str = ""  #: that of the service
    groups: Mapping[str, int] = field(default_factory=dict)  #: how many runs of each group may be under way at once
    inherited: Mapping[str, Any] = field(default_factory=dict)  #: zone and policies of its schedules, as JSON

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity == "error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity == "warning")

    @property
    def ok(self) -> bool:
        """Whether there are no errors; warnings do not count."""
        return not self.errors


def validate(document: Document, *, tasks: Tasks | None, progress: Callable[[], None] = lambda: None) -> Validated:
    """Validate a whole file. ``tasks`` maps task names to signatures (None: unknown); None skips the check of tasks.

    ``progress`` is called for each schedule.
    """
    if document.problems and not document.data:
        return Validated({}, document.problems)
    declared, top, findings = _everything(document.data, tasks, progress)
    findings += meaning.import_findings(document.imports, tasks)
    if document.incomplete:  # the unread part may declare the calendar
        findings = [finding for finding in findings if not finding.what.startswith(UNKNOWN_CALENDAR)]
    if "alerts" in document.data and "alerts" not in top.model_fields_set:  # what is wrong there hides its sinks
        findings = [finding for finding in findings if not finding.what.startswith(top_of_file.UNKNOWN_SINK)]
    # One problem per position is enough: the parser's comes first, since the others may only follow from it.
    reported = {problem.position for problem in document.problems}
    problems = [_placed(finding, document) for finding in findings]
    more = [problem for problem in problems if problem.position not in reported]
    in_order = tuple(sorted([*document.problems, *more], key=_place(document)))
    groups = {name: group.max_running for name, group in top.groups.items()}
    inherited = top.defaults.model_dump(mode="json", by_alias=True, exclude_unset=True)
    inherited |= {"timezone": top.timezone} if "timezone" in top.model_fields_set else {}
    return Validated(declared, in_order, top.alerts, top.ping or "", groups, inherited)


def validate_beside(
    document: Document, fields: Mapping[str, Mapping[str, Any]], *, tasks: Tasks | None
) -> tuple[dict[str, Declared], tuple[Problem, ...]]:
    """Validate schedules that are declared elsewhere, under the file's ``defaults:``; leaves out those with errors."""
    top, _ = top_of_file.read(document.data)
    # The timezone at the top of the file is that of the file's own schedules.
    inherited = {key: value for key, value in top_of_file.inherited(top).items() if key != "timezone"}
    check = Gate(tasks, top.calendars, inherited)
    declared: dict[str, Declared] = {}
    problems: list[Problem] = []
    for name, given in fields.items():
        item, findings = check.schedule(name, dict(given))
        problems += [
            Problem(f.what, f.remedy, printable(name, 100), _key(f.path), severity=f.severity) for f in findings
        ]
        if item:
            declared[name] = item
    return declared, tuple(problems)


def validate_fields(
    name: str,
    fields: Mapping[str, Any],
    *,
    tasks: Tasks | None,
    calendars: Calendars | None = None,
    reserved: Reserved | None = None,
) -> tuple[Declared | None, tuple[Problem, ...]]:
    """Validate one schedule; a key with the value None counts as missing.

    Values are as YAML gives them; ``schedule_file.plain`` converts text from a form. What does not come from the
    schedule file is also checked against ``reserved``: what only the file may set.
    """
    given = {key: value for key, value in fields.items() if value is not None}
    declared, findings = Gate(tasks, calendars or {}).schedule(name, given)
    if reserved and declared and (refused := reserved.findings(declared.fields())):
        declared, findings = None, [*findings, *refused]
    problems = [Problem(f.what, f.remedy, printable(name, 100), _key(f.path), severity=f.severity) for f in findings]
    return declared, tuple(problems)


def _everything(
    data: Mapping[str, Any], tasks: Tasks | None, progress: Callable[[], None]
) -> tuple[dict[str, Declared], ScheduleFile, list[Finding]]:
    top, findings = top_of_file.read(data)
    schedules = data.get("schedules", {})
    if not isinstance(schedules, dict):
        what = "schedules is empty" if schedules is None else f"schedules must be a mapping, not {shown(schedules)}"
        findings.append(Finding(("schedules",), what, "write name: below it and indent each schedule, or {} for none"))
        return {}, top, findings
    unnamed = Unnamed(schedules)
    check = Gate(tasks, top.calendars, top_of_file.inherited(top))
    declared, mistakes = _schedules(unnamed.schedules, check, top, progress)
    return declared, top, findings + unnamed.findings + [unnamed.placed(finding) for finding in mistakes]


def _schedules(
    schedules: Mapping[str, Any], check: Gate, top: ScheduleFile, progress: Callable[[], None]
) -> tuple[dict[str, Declared], list[Finding]]:
    declared: dict[str, Declared] = {}
    findings: list[Finding] = []
    errors = 0
    for name, fields in schedules.items():
        progress()
        item, wrong = check.schedule(name, fields)
        findings += [finding._replace(path=("schedules", name, *finding.path)) for finding in wrong]
        if item:
            declared[name] = item
        else:
            errors += len(wrong)
        if errors > MAX_FINDINGS:
            what = "the schedules from here on were not checked"
            return declared, [*findings, Finding(("schedules", name), what, "fix the errors above first")]
    findings += top_of_file.schedule_sink_findings(declared, top.alerts)
    findings += followers.findings(declared, schedules)
    findings += top_of_file.group_findings(declared, schedules, top.groups)
    return declared, findings + top_of_file.rename_findings(declared, schedules)


def _placed(finding: Finding, document: Document) -> Problem:
    positions = document.positions
    position = positions.key(finding.path) if finding.at_key else positions.nearest(finding.path)
    schedule, key = owner(finding.path)
    return Problem(finding.what, finding.remedy, printable(schedule, 100), printable(key), position, finding.severity)


def _place(document: Document) -> Callable[[Problem], tuple[bool, str, int, int]]:
    """The sort key of problems: by position, the main file first."""

    def order(problem: Problem) -> tuple[bool, str, int, int]:
        place = problem.position or Position(document.name, 0, 0)
        return (place.file != document.name, place.file, place.line, place.column)

    return order


def _key(path: tuple[str | int, ...]) -> str:
    return printable(str(path[0])) if path else ""
