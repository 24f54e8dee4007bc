"""The runs of all schedules, newest first, a page at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from scheduler.model import Run
from scheduler.status.place import Place
from scheduler.storage.ledger import Ledger

PAGE_SIZE = 50  #: runs
MAX_LOOKED_AT = 2000  #: rows that one page reads, when few of them match
WRONG = "wrong"  #: as an outcome: failed or lost
MAX_ROWS = 1_000_000  #: more than any ledger has


def place_of(run: Run) -> Place:
    """Where a run is in the order of runs: by its due instant in epoch seconds, of a stretch of skips its last one."""
    return Place(run.until or run.due, run.id)


@dataclass(frozen=True)
class Wanted:
    """Which runs; empty text is any. Instants are epoch seconds."""

    since: float = 0.0
    until: float = float("inf")
    outcome: str = ""  #: or WRONG
    text: str = ""  #: in the name of the schedule, in any case
    schedule: str = ""  #: exactly this one

    def has(self, run: Run) -> bool:
        """Whether it is one of these."""
        is_outcome = run.went_wrong if self.outcome == WRONG else run.outcome == self.outcome or not self.outcome
        is_in_time = self.since <= (run.until or run.due) <= self.until
        return is_outcome and is_in_time and self.text.casefold() in run.schedule.casefold()


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


def steps(ledger: Ledger, wanted: Wanted, before: Place | None) -> Iterable[list[Run]]:
    """Runs in their order, from the index of all schedules, or the whole ledger of one."""
    if wanted.schedule:
        return [sorted(ledger.runs(wanted.schedule, MAX_ROWS), key=place_of, reverse=True)]
    until = min(wanted.until, before.at) if before else wanted.until
    return ledger.steps(wanted.since, until, failed=wanted.outcome in (WRONG, "failed", "lost"))
