"""The health of a schedule from every row of its ledger, worked out without the index, to compare both."""

from __future__ import annotations

from scheduler.storage import health
from scheduler.storage.client import Client
from scheduler.storage.health import Failing
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger

BAD = ("failed", "lost")


def scanned(ledger: Ledger, name: str) -> Failing | None:
    """None for a schedule that is not failing."""
    runs = ledger.runs(name, 10_000)
    well = max((run.due for run in runs if run.outcome == "succeeded"), default=-1e12)
    bad = [run for run in runs if run.outcome in BAD and max(run.due, run.until or 0) > well]
    if not bad:
        return None
    return Failing(name, min(run.finished or run.due for run in bad), sum(run.count for run in bad))


def assert_index_is_the_scan(client: Client, keys: Keys, ledger: Ledger) -> int:
    """Compare each failing schedule; returns how many there are."""
    names = [key.removeprefix(keys.prefix) for key in client.zrange(keys.schedule, 0, -1)]
    every = [one for name in names if (one := scanned(ledger, name))]
    indexed = {one.name: one for one in health.failing(client, keys).worst}
    assert {name: one.count for name, one in indexed.items()} == {one.name: one.count for one in every}
    for one in every:  # the index has microseconds, the rows have what Python's clock gives
        assert abs(indexed[one.name].since - one.since) < 0.001, (indexed[one.name], one)
    return len(every)
