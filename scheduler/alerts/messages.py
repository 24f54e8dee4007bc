"""Makes alerts of changes of health: what happened, why, what to do; and one alert of many."""

from __future__ import annotations

import shlex
import uuid
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from scheduler.alerts.alert import MAX_SUBJECTS, Alert
from scheduler.command_name import with_command_name
from scheduler.model import Reason, run_id
from scheduler.model.page import schedule_path
from scheduler.model.reasons import explain
from scheduler.storage.alerts import HealthChange
from scheduler.storage.instants import from_seconds
from scheduler.storage.records import read_or
from scheduler.timing import format_duration

MAX_SINGLE = 3  #: alerts of one event for one sink in one look; more become one message
REMEDY = "see `scheduler history {name}`; the next run that succeeds ends this"
REMEDIES = {
    "missed": "see `scheduler history {name}`; `catch_up` in the schedule says which missed runs are made up for",
    "slow": "see `scheduler history {name}`; a run within `slow_after` ends this",
}


def of_change(change: HealthChange, event: str, now: float, printed: str = "", changes: tuple[str, ...] = ()) -> Alert:
    """The alert about a schedule, with what its run printed. What a successful run printed is nothing to tell."""
    well = event == "recovered"
    return Alert(
        new_id(),
        event,
        "ok" if well else "warning",
        change.name,
        now,
        change.since or None,
        change.due or None,
        solved(change) if well else because(change),
        "" if well else remedy(change.name, event),
        "" if well else "\n".join(part for part in (printed, change.output) if part),
        link=schedule_path(change.name, run_of(change)),
        count=change.count,
        changes=changes,
    )


def run_of(change: HealthChange) -> str:
    """The id of the run that made the change; empty where it is about several."""
    if change.event == "missed" or not change.due:
        return ""
    return run_id(change.name, from_seconds(change.due), manual=change.manual == "1")


def linked(alert: Alert, page: str) -> Alert:
    """The alert with its link on the page: a run's, where its path is known, else its schedule's, or the list."""
    if not page:
        return replace(alert, link="")
    return replace(alert, link=page + (alert.link or schedule_path(alert.subject)))


def of_service(alert: Alert) -> Alert:
    """The alert about the service, with the path of the page that lists its problems."""
    return replace(alert, link=schedule_path())


def because(change: HealthChange) -> str:
    """Why the run failed, was lost, missed or is slow, in a sentence."""
    if change.event == "slow":
        limit = read_or("", lambda text: format_duration(timedelta(seconds=float(text))), change.detail)
        return f"a run takes longer than {limit}"
    if change.event == "missed":
        return explain(change.reason, change.detail)
    sentence = next((known.sentence for known in Reason if known.value == change.reason), "")
    return ": ".join(part for part in (sentence, " ".join(change.detail.split())) if part)


def solved(change: HealthChange) -> str:
    """What is over, where it is not that runs fail."""
    return f"{change.name} is slow" if change.event == "in time" else ""


def remedy(name: str, event: str = "failing") -> str:
    return with_command_name(REMEDIES.get(event, REMEDY).format(name=shlex.quote(name)))


def new_id() -> str:
    return uuid.uuid4().hex


def grouped(alerts: Iterable[tuple[str, Alert]], page: str = "") -> list[tuple[str, Alert]]:
    """The same, but where a sink gets more than MAX_SINGLE of one event, one message with the first subjects."""
    by_event: dict[tuple[str, str], list[Alert]] = {}
    for sink, alert in alerts:
        by_event.setdefault((sink, alert.event), []).append(alert)
    made = []
    for (sink, event), several in by_event.items():
        if len(several) > MAX_SINGLE:
            several = [linked(group(event, several), page)]
        made += [(sink, alert) for alert in several]
    return made


def group(event: str, alerts: list[Alert]) -> Alert:
    """One alert about many."""
    worst = next((level for level in ("critical", "warning") if any(it.severity == level for it in alerts)), "ok")
    subjects = tuple(alert.title() if event == "problem" else alert.subject for alert in alerts[:MAX_SUBJECTS])
    since = min((alert.since for alert in alerts if alert.since), default=None)
    return Alert(new_id(), event, worst, "", alerts[0].at, since, None, "", "", count=len(alerts), subjects=subjects)
