"""The read model of the service, rendered as page, text, JSON and metrics. Read-only."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from scheduler.model import Entry, Run
from scheduler.sending import upcoming
from scheduler.sending.upcoming import left_out
from scheduler.status import problems
from scheduler.status.minutes import Minute, minutes
from scheduler.status.problems.facts import Facts
from scheduler.status.problems.headline import NO_PROBLEMS, Headline, headline
from scheduler.status.problems.problem import ServiceProblem
from scheduler.status.rows import Row, read_job, row
from scheduler.storage import lock
from scheduler.storage.backfills import Backfill, Backfills
from scheduler.storage.groups import Group
from scheduler.storage.health import failing_of
from scheduler.storage.instants import from_seconds
from scheduler.storage.ledger import Ledger
from scheduler.storage.recent import recent
from scheduler.storage.store import Store
from scheduler.storage.waiting import Waiting, waiting
from scheduler.timing import clock_changes


@dataclass(frozen=True)
class Detail:
    """Everything about one schedule."""

    row: Row
    entry: Entry
    upcoming: tuple[datetime, ...]
    runs: tuple[Run, ...]
    skipped: datetime | None = None  #: the due instant that a person asked to skip
    notes: tuple[str, ...] = ()  #: effects of clock changes within a year
    waiting: tuple[Waiting, ...] = ()  #: its manual runs that wait for their time


@dataclass(frozen=True)
class Overview:
    """The whole service; ``total`` counts every schedule, ``rows`` may be a page of them."""

    rows: tuple[Row, ...]
    total: int
    leader: lock.Holder | None
    standbys: tuple[str, ...]
    file: dict[str, str] = field(default_factory=dict)
    named: tuple[ServiceProblem, ...] = ()  #: what ``status.problems`` found
    news: tuple[str, ...] = ()  #: what happened and needs no person
    groups: tuple[Group, ...] = ()
    #: those that are not done, each with the numbers of its runs that ended, by outcome
    backfills: tuple[tuple[Backfill, dict[str, int]], ...] = ()
    headline: Headline = NO_PROBLEMS
    waiting: tuple[Waiting, ...] = ()  #: the manual runs of all schedules that wait for their time

    @property
    def problems(self) -> tuple[ServiceProblem, ...]:
        """What needs a person, in the order in which to fix it."""
        return tuple(problem for problem in self.named if problem.severity != "unknown")

    @property
    def unknown(self) -> tuple[ServiceProblem, ...]:
        """The checks that could not be made."""
        return tuple(problem for problem in self.named if problem.severity == "unknown")


class Status:
    """Reads the store and the ledger."""

    def __init__(self, store: Store, ledger: Ledger) -> None:
        self.store = store
        self.ledger = ledger

    def overview(self, names: Iterable[str] | None = None, facts: Facts | None = None) -> Overview:
        """The service and these schedules (default: all), each with its newest ledger row."""
        facts = facts or Facts(self.store, self.ledger.settings)
        rows, total = self.rows(names, facts), self.store.client.zcard(self.store.keys.schedule)
        kinds, news = problems.with_kinds(facts), self.store.news()
        named, summary = tuple(problem for _, problem in kinds), headline(facts, kinds)
        service = facts.leader, facts.standbys, facts.file
        return Overview(rows, total, *service, named, news, facts.groups, self.backfills(), summary, self.waiting())

    def waiting(self) -> tuple[Waiting, ...]:
        """The manual runs that wait for their time."""
        return waiting(self.store.client, self.store.keys)

    def backfills(self) -> tuple[tuple[Backfill, dict[str, int]], ...]:
        """The backfills that are not done, each with the numbers of its runs that ended."""
        every = Backfills(self.store.client, self.store.keys).all()
        return tuple((backfill, ended) for backfill, ended in every if backfill.state != "done")

    def minutes(self, since: float) -> list[Minute]:
        """The minutes since then (epoch seconds) in which something was due, started or failed; 48 hours at most."""
        return minutes(self.store.client, self.store.keys, since, time.time())

    def rows(self, names: Iterable[str] | None = None, facts: Facts | None = None) -> tuple[Row, ...]:
        """These schedules (default: all), each with its newest ledger row. Without ``facts``, none is late or stuck."""
        shown = list(self.store.names() if names is None else names)
        of = self.store.client, self.store.keys, shown
        latest, ill, marks = self.ledger.latest(shown), failing_of(*of), recent(*of)
        slow = {it.name: it for it in facts.unstarted.schedules} if facts and shown else {}
        return tuple(
            row(it, latest.get(it.name), ill.get(it.name), marks[it.name], slow.get(it.name))
            for it in self.store.read(shown)
        )

    def detail(self, name: str, runs: int = 20, upcoming: int = 5) -> Detail:
        """One schedule; raises NotFound."""
        entry = self.store.get(name)
        newest, instants = tuple(self.ledger.runs(name, runs)), tuple(upcoming_instants(entry, upcoming))
        job, of = read_job(entry)[0], (self.store.client, self.store.keys, [name])
        skipped = left_out(entry, job) if job else None
        waits = tuple(it for it in self.waiting() if it.schedule == name)
        slow = {it.name: it for it in Facts(self.store, self.ledger.settings).unstarted.schedules}.get(name)
        shown = row(entry, next(iter(newest), None), failing_of(*of).get(name), recent(*of)[name], slow)
        return Detail(shown, entry, instants, newest, skipped, clock_notes(entry), waits)


def clock_notes(entry: Entry) -> tuple[str, ...]:
    """A sentence for each clock change within a year that affects the schedule."""
    job, _ = read_job(entry)
    now = from_seconds(time.time())
    return tuple(note.words for note in clock_changes(job.timing, now, now + timedelta(days=366))) if job else ()


def upcoming_instants(entry: Entry, count: int) -> Iterator[datetime]:
    """The next due instants that will be sent."""
    return islice(due_instants(entry, from_seconds(time.time())), count)


def due_instants(entry: Entry, after: datetime) -> Iterator[datetime]:
    """Due instants after this one that will be sent, if nothing changes."""
    job, _ = read_job(entry)
    return upcoming.due_instants(entry, job, after) if job else iter(())
