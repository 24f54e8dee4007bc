"""The runs of all schedules, newest first, a page at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain

from scheduler.model import Run
from scheduler.status.place import Place
from scheduler.status.wanted import WRONG, Wanted
from scheduler.storage.health import is_fresh
from scheduler.storage.ledger import Ledger

PAGE_SIZE = 50  #: runs
MAX_LOOKED_AT = 2000  #: rows that one page reads, when few of them match
MAX_EXPORTED = 10_000  #: runs in one file
MAX_EXPORT_LOOKED_AT = 20_000  #: rows that are read for it
MAX_ROWS = 1_000_000  #: more than any ledger has


def place_of(run: Run) -> Place:
    """Where a run is in the order of runs: by its due instant in epoch seconds, of a stretch of skips its last one."""
    return Place(run.until or run.due, run.id)


@dataclass(frozen=True)
class Page:
    """Some of the runs; ``older`` is where the next page begins, None at the end."""

    runs: tuple[Run, ...]
    older: Place | None
    is_cut: bool = False  #: it ends because MAX_LOOKED_AT rows were read, not because it is full


def newest_first(rows: Iterable[Run]) -> list[Run]:
    """Rows in the order of their places."""
    return sorted(rows, key=place_of, reverse=True)


def find(ledger: Ledger, wanted: Wanted, before: Place | None = None, count: int = PAGE_SIZE) -> Page:
    """The newest ``count`` runs that are wanted, of those ``before`` a place."""
    return choose(chain.from_iterable(steps(ledger, wanted, before)), wanted, before, count)


def choose(rows: Iterable[Run], wanted: Wanted, before: Place | None = None, count: int = PAGE_SIZE) -> Page:
    """The same among these rows, which come newest first."""
    runs: list[Run] = []
    for looked_at, (place, run) in enumerate(each_once(rows, before), 1):
        if wanted.has(run):
            runs.append(run)
        if len(runs) == count:
            return Page(tuple(runs), place)
        if looked_at == MAX_LOOKED_AT:
            return Page(tuple(runs), place, is_cut=True)
    return Page(tuple(runs), None)


def each_once(rows: Iterable[Run], before: Place | None) -> Iterator[tuple[Place, Run]]:
    """The rows ``before`` a place, each once and with its own place."""
    last = before
    for run in rows:
        place = place_of(run)
        if last is None or place < last:  # new rows move the others on, so a row may be read twice
            last = place
            yield place, run


class Export:
    """The wanted runs of one file, newest first; afterwards, ``older`` is where the next file begins, if any."""

    def __init__(self, ledger: Ledger, wanted: Wanted, before: Place | None = None) -> None:
        self.rows = each_once(chain.from_iterable(steps(ledger, wanted, before)), before)
        self.wanted = wanted
        self.older: Place | None = None
        self.is_full = False  #: set by a reader who takes no more

    def __iter__(self) -> Iterator[Run]:
        taken = 0
        for looked_at, (place, run) in enumerate(self.rows, 1):
            if self.wanted.has(run):
                taken += 1
                yield run
            if self.is_full or taken == MAX_EXPORTED or looked_at == MAX_EXPORT_LOOKED_AT:
                self.older = place
                return


@dataclass(frozen=True)
class Failures:
    """Runs of one schedule that went wrong with the same error; ``first`` and ``last`` are in epoch seconds."""

    schedule: str
    error: str
    count: int
    first: float
    last: float
    newest: Run


@dataclass(frozen=True)
class ByError:
    """What went wrong, the newest first; ``back_to`` is where the search was cut, None if it saw all that is wanted."""

    failures: tuple[Failures, ...]
    back_to: Place | None


def by_error(ledger: Ledger, wanted: Wanted) -> ByError:
    """What is wanted of the runs that failed or were lost, by schedule and error; of MAX_LOOKED_AT rows at most."""
    outcome = wanted.outcome if wanted.outcome in ("failed", "lost") else WRONG
    page = find(ledger, replace(wanted, outcome=outcome), count=MAX_LOOKED_AT)
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in page.runs:
        groups.setdefault((run.schedule, run.error), []).append(run)
    made = (
        Failures(*key, sum(run.count for run in runs), runs[-1].due, place_of(runs[0]).at, runs[0])
        for key, runs in groups.items()
    )
    return ByError(tuple(made), page.older)


def steps(ledger: Ledger, wanted: Wanted, before: Place | None) -> Iterable[list[Run]]:
    """Runs in their order, from the index of all schedules, or the whole ledger of one."""
    if wanted.schedule:
        rows = (run for run in ledger.runs(wanted.schedule, MAX_ROWS) if place_of(run).at <= wanted.until)
        return [newest_first(rows)]
    until = min(wanted.until, before.at) if before else wanted.until
    # A leader of an older release keeps no index of skips.
    skipped = wanted.was_skipped and is_fresh(ledger.client, ledger.keys)
    return ledger.steps(wanted.since, until, failed=wanted.went_wrong, skipped=skipped)
