"""The runs of all schedules, newest first, a page at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from scheduler.model import Run
from scheduler.status.place import Place
from scheduler.status.wanted import WRONG, Wanted
from scheduler.storage.ledger import Ledger

PAGE_SIZE = 50  #: runs
MAX_LOOKED_AT = 2000  #: rows that one page reads, when few of them match
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


def find(ledger: Ledger, wanted: Wanted, before: Place | None = None, count: int = PAGE_SIZE) -> Page:
    """The newest ``count`` runs that are wanted, of those ``before`` a place."""
    runs: list[Run] = []
    looked_at, last = 0, before
    for step in steps(ledger, wanted, before):
        for run in step:
            place = place_of(run)
            if last and place >= last:
                continue
            looked_at, last = looked_at + 1, place
            if wanted.has(run):
                runs.append(run)
            if len(runs) == count:
                return Page(tuple(runs), place)
        if looked_at >= MAX_LOOKED_AT:
            return Page(tuple(runs), last, is_cut=True)
    return Page(tuple(runs), None)


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
        return [sorted(ledger.runs(wanted.schedule, MAX_ROWS), key=place_of, reverse=True)]
    until = min(wanted.until, before.at) if before else wanted.until
    return ledger.steps(wanted.since, until, failed=wanted.went_wrong)
