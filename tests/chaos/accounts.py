"""The reckoning: due instants of the timing against rows of the ledger against bodies that ran."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

from scheduler.model import Run, run_id
from scheduler.storage import entries
from scheduler.storage.instants import from_seconds
from scheduler.timing import Timing
from tests.chaos.service import Service
from tests.support.health import assert_every_index_is_the_scan

Spans = Sequence[tuple[float, float]]  #: of time, in epoch seconds


def reckon(service: Service, *, torn: Spans = (), rows_lost: bool = False) -> Counter[str]:
    """Hold every due instant to its account; returns how many there are of each outcome. Call it when all has ended.

    Where Redis lost what was written in some spans, a body that began there may begin once more, or never be told of.
    With ``rows_lost`` it lost the rows of those spans too: such a body is the account of its due instant.
    """
    outcomes: Counter[str] = Counter()
    bodies = bodies_of(service)
    excused = begun_within(service, torn)
    without_row = excused if rows_lost else set()
    for identity in excused:
        bodies[identity] = min(bodies[identity], 1)
    for entry in service.store.read(service.first):
        rows = service.ledger.runs(entry.name, 1_000_000)
        due_timing = entries.job(entry).timing
        expected = Counter(instants(due_timing, service.first[entry.name], entry.due))
        recorded = Counter(instant for row in rows for instant in of_row(row, due_timing))
        missing = [instant for instant in expected - recorded if run_id(entry.name, instant) not in without_row]
        assert not missing, f"{entry.name}: not in the ledger: {sorted(missing)}"
        assert not recorded - expected, f"{entry.name}: not due, or more than once: {sorted(recorded - expected)}"
        for row in rows:
            if torn and row.reason == "forgotten":
                outcomes["torn"] += row.count
                for instant in of_row(row, due_timing):
                    assert bodies.pop(run_id(entry.name, instant), 0) <= 1, f"a body ran twice: {row}"
                continue
            outcomes["torn" if row.outcome == "lost" and row.id in excused else row.outcome] += row.count
            check_bodies(row, bodies.pop(row.id, 0), retries=service.declared.get(entry.name, {}).get("retries", 0))
    theirs = {name for name in bodies if name.startswith("stock:")}
    assert not bodies.keys() - theirs - without_row, f"bodies of runs that the ledger does not know: {bodies}"
    assert_every_index_is_the_scan(service.client, service.store.keys, service.ledger, service.store)
    return outcomes


def bodies_of(service: Service) -> Counter[str]:
    """How often the body of each run began, as it noted outside Redis."""
    return Counter(line.split()[0] for line in service.bodies.read_text().splitlines())


def begun_within(service: Service, spans: Spans) -> set[str]:
    lines = (line.split() for line in service.bodies.read_text().splitlines())
    return {identity for identity, _, began in lines if any(start <= float(began) <= end for start, end in spans)}


def instants(due_timing: Timing, first: datetime, end: datetime | None) -> Iterator[datetime]:
    """The due instants from the first until the one that is next."""
    due: datetime | None = first
    while due is not None and (end is None or due < end):
        yield due
        due = due_timing.next_due(due)


def of_row(row: Run, due_timing: Timing) -> list[datetime]:
    """The due instants that a row of the ledger accounts for: one, or a stretch of equal skips; none for a person's."""
    if row.manual:
        return []
    first = from_seconds(row.due)
    if row.count == 1:
        return [first]
    found = [first]
    while found[-1] < from_seconds(row.until) and (following := due_timing.next_due(found[-1])) is not None:
        found.append(following)
    assert len(found) == row.count, f"{row} counts {row.count} of {len(found)} due instants"
    return found


def check_bodies(row: Run, began: int, *, retries: int) -> None:
    if retries and row.outcome in ("succeeded", "failed"):
        assert began == row.attempt, f"the body ran {began} times: {row}"
        return
    allowed = {"succeeded": (1,), "skipped": (0,), "failed": (0, 1), "lost": (0, 1), "stopped": (0, 1)}[row.outcome]
    assert began in allowed, f"the body ran {began} times: {row}"
