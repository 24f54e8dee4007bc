"""The top of a schedule file, and what its schedules are to each other: sinks, groups, former names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scheduler import timing
from scheduler.model import Declared, ScheduleFile
from scheduler.model.alerts import Alerts
from scheduler.model.what_runs import KINDS
from scheduler.printable import near, shown
from scheduler.validate import meaning
from scheduler.validate.gate import empty_findings
from scheduler.validate.terms import Finding, Path, check

UNKNOWN_SINK = "unknown sink"


def read(data: Mapping[str, Any]) -> tuple[ScheduleFile, list[Finding]]:
    """The file without its schedules, and findings. Broken parts are dropped, so that the rest can be checked."""
    rest = {key: value for key, value in data.items() if key != "schedules"}
    checked, findings = check(ScheduleFile, rest)
    findings = [misplaced(finding, rest) for finding in findings]
    if isinstance(policies := rest.get("defaults"), dict):
        findings += [finding._replace(path=("defaults", *finding.path)) for finding in empty_findings(policies)]
    checked = checked or without(rest, findings) or ScheduleFile()
    try:
        timing.build("cron", "@daily", zone=checked.timezone)
    except timing.TimingError as error:
        findings.append(Finding(("timezone",), error.problem, error.remedy))
        checked = checked.model_copy(update={"timezone": "UTC"})
    findings += sink_findings(checked.alerts)
    findings += meaning.reference_findings(("ping",), checked.ping, in_run=False)
    return calendars(checked, findings), findings


def sink_findings(alerts: Alerts) -> list[Finding]:
    """Errors for names of sinks that the file does not declare, and for malformed references."""
    findings = unknown_sinks(("alerts", "to"), alerts.to, alerts)
    sinks = alerts.model_dump(mode="json", by_alias=True, exclude_unset=True).get("sinks", {})
    return [*findings, *meaning.reference_findings(("alerts", "sinks"), sinks, in_run=False)]


def schedule_sink_findings(declared: Mapping[str, Declared], alerts: Alerts) -> list[Finding]:
    """Errors for names of sinks in schedules."""
    findings: list[Finding] = []
    for name, item in declared.items():
        if own := item.schedule.alerts:
            findings += unknown_sinks(("schedules", name, "alerts", "to"), own.to, alerts)
    return findings


def group_findings(
    declared: Mapping[str, Declared], schedules: Mapping[str, Any], groups: Iterable[str]
) -> list[Finding]:
    """Errors for groups that the file does not declare, and warnings for groups that no schedule is in."""
    named = {name: group for name, item in declared.items() if (group := item.schedule.group)}
    listed = ", ".join(groups) or "none"
    findings = [
        Finding(
            ("schedules", name, "group"),
            f"unknown group {shown(group)}",
            near(group, groups) or f"declare it under groups: at the top (declared: {listed})",
        )
        for name, group in named.items()
        if group not in groups
    ]
    given = [fields.get("group") for fields in schedules.values() if isinstance(fields, dict)]  # also those with errors
    used = {group for group in given if isinstance(group, str)}
    return findings + [
        Finding(
            ("groups", group),
            f"no schedule is in group {shown(group)}",
            f"write `group: {group}` in a schedule, or delete the group",
            at_key=True,
            severity="warning",
        )
        for group in groups
        if group not in used
    ]


def unknown_sinks(path: Path, to: Iterable[str] | None, alerts: Alerts) -> list[Finding]:
    """Errors for names that are no sinks of the file."""
    declared = ", ".join(alerts.sinks) or "none"
    return [
        Finding(
            (*path, index),
            f"{UNKNOWN_SINK} {shown(name)}",
            near(name, alerts.sinks) or f"declare it under alerts: sinks: at the top (declared: {declared})",
        )
        for index, name in enumerate(to or ())
        if name not in alerts.sinks
    ]


def misplaced(finding: Finding, rest: Mapping[str, Any]) -> Finding:
    """Give a better remedy for a schedule at the top level than for any unknown key."""
    value = rest.get(str(finding.path[0])) if len(finding.path) == 1 else None
    if finding.at_key and isinstance(value, dict) and not value.keys().isdisjoint(KINDS):
        return finding._replace(remedy="put schedules below `schedules:`, indented")
    return finding


def without(rest: Mapping[str, Any], wrong: list[Finding]) -> ScheduleFile | None:
    """The top of the file without its broken keys; in defaults and calendars, only the broken entries are dropped."""
    broken: dict[str, set[str | int]] = {}
    for finding in wrong:
        broken.setdefault(str(finding.path[0]), set()).update(finding.path[1:2])
    kept = {key: value for key, value in rest.items() if key in ScheduleFile.model_fields and key not in broken}
    for key in ("defaults", "calendars", "groups"):
        if broken.get(key):
            kept[key] = {inner: value for inner, value in rest[key].items() if inner not in broken[key]}
    return check(ScheduleFile, kept)[0]


def calendars(checked: ScheduleFile, findings: list[Finding]) -> ScheduleFile:
    """The top of the file with only the valid calendar entries; adds findings for the others."""
    good: dict[str, tuple[str, ...]] = {}
    for name, texts in checked.calendars.items():
        good[name] = ()
        for index, text in enumerate(texts):
            try:
                timing.build("every", "1d", zone=checked.timezone, excluded=(text,))
                good[name] += (text,)
            except timing.TimingError as error:
                what = error.problem.removeprefix("except ")
                findings.append(Finding(("calendars", name, index), what, error.remedy))
    return checked.model_copy(update={"calendars": good})


def inherited(checked: ScheduleFile) -> dict[str, Any]:
    """Fields that schedules take from the top of the file unless they set their own."""
    policies = checked.defaults
    return {"timezone": checked.timezone, **{key: getattr(policies, key) for key in policies.model_fields_set}}


def rename_findings(declared: Mapping[str, Declared], names: Mapping[str, Any]) -> list[Finding]:
    """Findings for a former name that is still in use or claimed twice: one history cannot go to two schedules."""
    findings, heirs = [], dict[str, str]()
    for name, item in declared.items():
        former = item.schedule.renamed_from
        path = ("schedules", name, "renamed_from")
        if former is None:
            continue
        if former in names:
            what = f"renamed_from: {shown(former)} is still declared here"
            findings.append(Finding(path, what, "delete one of the two"))
        elif former in heirs:
            what = f"renamed_from: {shown(former)} is claimed by {shown(heirs[former])} as well"
            findings.append(Finding(path, what, "only one schedule can take over its history"))
        heirs.setdefault(former, name)
    return findings
