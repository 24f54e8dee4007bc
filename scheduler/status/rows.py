"""A schedule in one row: its state, its next and its newest run."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from scheduler.model import Entry, Reason, Run
from scheduler.sending import upcoming
from scheduler.status.problems.unstarted import why
from scheduler.status.unstarted import Unstarted
from scheduler.storage import entries
from scheduler.storage.entries import DamagedEntry, Job
from scheduler.storage.health import Failing
from scheduler.storage.instants import from_seconds, to_seconds
from scheduler.storage.recent import Mark

State = Literal[
    "quarantined",
    "paused",
    "disabled",
    "finished",
    "overdue",
    "running",
    "queued",
    "failed",
    "stopped",
    "lost",
    "skipped",
    "unreadable",
    "ok",
    "new",
]
HELD: tuple[State, ...] = ("quarantined", "paused", "disabled")  #: a person holds it, or must mend it first
OVERDUE_AFTER_S = 60.0  #: a run not sent this long after it was due is overdue
EXPECTED_FAILURE = "expected failure"  #: what a failing schedule is called whose failures need no person
STATES: dict[State, str] = {
    "quarantined": "quarantined until it is changed",
    "paused": "paused",
    "disabled": "enabled is false",
    "finished": "it has no due instants left",
    "overdue": "due but not sent: no beat leads, or beat is behind",
    "running": "a run is in progress",
    "queued": "sent, waiting for a worker",
    "failed": "the last run failed",
    "stopped": "the last run was stopped",
    "lost": "the last run was lost",
    "skipped": "the last due instant was skipped",
    "unreadable": "the record of the last run cannot be read",
    "ok": "the last run succeeded",
    "new": "has not run yet",
}


@dataclass(frozen=True)
class Row:
    """A schedule in one row."""

    name: str
    state: State
    task: str
    timing: str  #: in words
    zone: str  #: IANA time zone that the timing is written in
    next: datetime | None
    last: Run | None
    origin: str
    description: str = ""
    tags: tuple[str, ...] = ()
    overlaid: tuple[str, ...] = ()
    error: str = ""
    paused_by: str = ""
    paused_until: float | None = None  #: epoch seconds; None if only a person ends it
    failing: Failing | None = None  #: since when, and how often in a row; None if its newest ended run was well
    recent: tuple[Mark, ...] = ()  #: how its last runs ended, the oldest first
    expected_to_fail: str = ""  #: why its failures are no problem; empty if they are
    unstarted: Unstarted | None = None  #: if it is late or stuck

    @property
    def is_held(self) -> bool:
        """Whether the state says what a person decided, or must mend first, and not how its runs are."""
        return self.state in HELD

    @property
    def explanation(self) -> str:
        """The state in a sentence, without a full stop."""
        if self.unstarted and not self.is_held:
            return why(self.unstarted)
        if self.state == "queued" and self.last is not None and self.last.reason == Reason.GROUP:
            return self.last.detail
        return f"paused by {self.paused_by}" if self.state == "paused" else STATES[self.state]


def read_job(entry: Entry) -> tuple[Job | None, str]:
    """The entry's job, or None and the reason why it cannot be read."""
    try:
        return entries.job(entry), ""
    except DamagedEntry as error:
        return None, str(error)


def row(
    entry: Entry,
    last: Run | None,
    ill: Failing | None = None,
    marks: tuple[Mark, ...] = (),
    slow: Unstarted | None = None,
) -> Row:
    """The row of an entry, its newest run, its failures if it is failing, how its last runs ended, and what waits."""
    job, error = read_job(entry)
    return Row(
        name=entry.name,
        state=state(entry, job, last),
        task=job.task if job else str(entry.fields.get("task", "?")),
        timing=job.timing.words() if job else "unreadable",
        zone=job.timing.zone if job else "UTC",
        next=next(upcoming.due_instants(entry, job, from_seconds(time.time())), None) if job else None,
        last=last,
        origin=entry.origin,
        description=str(entry.fields.get("description", "")),
        tags=entry.tags,
        overlaid=tuple(entry.overlay),
        error=entry.error or error,
        paused_by=entry.pause.by if entry.pause else "",
        paused_until=entry.pause.until if entry.pause else None,
        failing=ill,
        recent=marks,
        expected_to_fail=entry.expected_to_fail,
        unstarted=slow,
    )


def state(entry: Entry, job: Job | None, last: Run | None) -> State:
    """The most important state now; see STATES."""
    if entry.error or job is None:
        return "quarantined"
    if entry.pause is not None and (entry.pause.until is None or entry.pause.until > time.time()):
        return "paused"
    if not job.enabled:
        return "disabled"
    # Before `finished` and `overdue`: the last run of all may still be under way.
    if last is not None and last.outcome in ("running", "queued"):
        return "running" if last.outcome == "running" else "queued"
    if entry.due is None:
        return "finished"
    if to_seconds(job.timing.send_at(entry.due)) < time.time() - OVERDUE_AFTER_S:
        return "overdue"
    if last is None:
        return "new"
    return "ok" if last.outcome == "succeeded" else last.outcome
