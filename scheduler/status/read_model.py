"""The read model of the service, rendered as page, text, JSON and metrics. Read-only."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Literal

from scheduler.model import Entry, Reason, Run
from scheduler.sending import upcoming
from scheduler.sending.upcoming import left_out
from scheduler.status import problems
from scheduler.status.minutes import Minute, minutes
from scheduler.status.problems.facts import Facts
from scheduler.status.problems.headline import NO_PROBLEMS, Headline, headline
from scheduler.status.problems.problem import ServiceProblem
from scheduler.storage import entries, lock
from scheduler.storage.backfills import Backfill, Backfills
from scheduler.storage.entries import DamagedEntry, Job
from scheduler.storage.groups import Group
from scheduler.storage.health import Failing, failing_of
from scheduler.storage.instants import from_seconds, to_seconds
from scheduler.storage.ledger import Ledger
from scheduler.storage.recent import Mark, recent
from scheduler.storage.store import Store
from scheduler.storage.waiting import Waiting, waiting
from scheduler.timing import clock_changes

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
OVERDUE_AFTER_S = 60.0  #: a run not sent this long after it was due is overdue
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

    @property
    def explanation(self) -> str:
        """The state in a sentence, without a full stop."""
        if self.state == "queued" and self.last is not None and self.last.reason == Reason.GROUP:
            return self.last.detail
        return f"paused by {self.paused_by}" if self.state == "paused" else STATES[self.state]


@dataclass(frozen=True)
class Detail:
    """Everything about one schedule."""

    row: Row
    entry: Entry
    upcoming: tuple[datetime, ...]
    runs: tuple[Run, ...]
    skipped: datetime | None = None  #: the due instant that a person asked to skip
    notes: tuple[str, ...] = ()  #: effects of clock changes within a year
    waiting: tuple[Waiting, ...] = ()  #: its runs by hand that wait for their time


@dataclass(frozen=True)
class Overview:
    """The whole service; ``total`` counts every schedule, ``rows`` may be a page of them."""

    rows: tuple[Row, ...]
    total: int
    leader: lock.Holder | None
    standbys: tuple[str, ...]
    file: dict[str, str] = field(default_factory=dict)
    found: tuple[ServiceProblem, ...] = ()  #: what ``status.problems`` found
    news: tuple[str, ...] = ()  #: what happened and needs no person
    groups: tuple[Group, ...] = ()
    #: those that are not done, each with the numbers of its runs that ended, by outcome
    backfills: tuple[tuple[Backfill, dict[str, int]], ...] = ()
    headline: Headline = NO_PROBLEMS
    waiting: tuple[Waiting, ...] = ()  #: the runs by hand of all schedules that wait for their time

    @property
    def problems(self) -> tuple[ServiceProblem, ...]:
        """What needs a person, in the order in which to fix it."""
        return tuple(problem for problem in self.found if problem.severity != "unknown")

    @property
    def unknown(self) -> tuple[ServiceProblem, ...]:
        """The checks that could not be made."""
        return tuple(problem for problem in self.found if problem.severity == "unknown")


class Status:
    """Reads the store and the ledger."""

    def __init__(self, store: Store, ledger: Ledger) -> None:
        self.store = store
        self.ledger = ledger

    def overview(self, names: Iterable[str] | None = None) -> Overview:
        """The service and these schedules (default: all), each with its newest ledger row."""
        rows, total = self.rows(names), self.store.client.zcard(self.store.keys.schedule)
        facts = Facts(self.store, self.ledger.settings)
        kinds, news = problems.with_kinds(facts), self.store.news()
        found, summary = tuple(problem for _, problem in kinds), headline(facts, kinds)
        service = facts.leader, facts.standbys, facts.file
        return Overview(rows, total, *service, found, news, facts.groups, self.backfills(), summary, self.waiting())

    def waiting(self) -> tuple[Waiting, ...]:
        """The runs by hand that wait for their time."""
        return waiting(self.store.client, self.store.keys)

    def backfills(self) -> tuple[tuple[Backfill, dict[str, int]], ...]:
        """The backfills that are not done, each with the numbers of its runs that ended."""
        every = Backfills(self.store.client, self.store.keys).all()
        return tuple((found, ended) for found, ended in every if found.state != "done")

    def minutes(self, since: float) -> list[Minute]:
        """The minutes since then (epoch seconds) in which something was due, started or failed; 48 hours at most."""
        return minutes(self.store.client, self.store.keys, since, time.time())

    def rows(self, names: Iterable[str] | None = None) -> tuple[Row, ...]:
        """These schedules (default: all), each with its newest ledger row."""
        shown = list(self.store.names() if names is None else names)
        of = self.store.client, self.store.keys, shown
        latest, ill, marks = self.ledger.latest(shown), failing_of(*of), recent(*of)
        found = self.store.read(shown)
        return tuple(row(it, latest.get(it.name), ill.get(it.name), marks[it.name]) for it in found)

    def detail(self, name: str, runs: int = 20, upcoming: int = 5) -> Detail:
        """One schedule; raises NotFound."""
        entry = self.store.get(name)
        newest, instants = tuple(self.ledger.runs(name, runs)), tuple(upcoming_instants(entry, upcoming))
        job, of = read_job(entry)[0], (self.store.client, self.store.keys, [name])
        skipped = left_out(entry, job) if job else None
        waits = tuple(it for it in self.waiting() if it.schedule == name)
        shown = row(entry, next(iter(newest), None), failing_of(*of).get(name), recent(*of)[name])
        return Detail(shown, entry, instants, newest, skipped, clock_notes(entry), waits)


def clock_notes(entry: Entry) -> tuple[str, ...]:
    """A sentence for each clock change within a year that affects the schedule."""
    job, _ = read_job(entry)
    now = from_seconds(time.time())
    return tuple(note.words for note in clock_changes(job.timing, now, now + timedelta(days=366))) if job else ()


def read_job(entry: Entry) -> tuple[Job | None, str]:
    """The entry's job, or None and the reason why it cannot be read."""
    try:
        return entries.job(entry), ""
    except DamagedEntry as error:
        return None, str(error)


def row(entry: Entry, last: Run | None, ill: Failing | None = None, marks: tuple[Mark, ...] = ()) -> Row:
    """The row of an entry, its newest run, its failures if it is failing, and how its last runs ended."""
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


def upcoming_instants(entry: Entry, count: int) -> Iterator[datetime]:
    """The next due instants that will be sent."""
    return islice(due_instants(entry, from_seconds(time.time())), count)


def due_instants(entry: Entry, after: datetime) -> Iterator[datetime]:
    """Due instants after this one that will be sent, if nothing changes."""
    job, _ = read_job(entry)
    return upcoming.due_instants(entry, job, after) if job else iter(())
