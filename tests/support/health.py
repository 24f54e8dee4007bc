"""The health of a schedule from every row of its ledger, worked out without the index, to compare both."""

from __future__ import annotations

from collections.abc import Iterable

from scheduler.model.run import UNDER_WAY
from scheduler.storage import health
from scheduler.storage.client import Client
from scheduler.storage.health import Failing
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.storage.outcomes import OUTCOMES
from scheduler.storage.recent import MAX_RECENT, recent
from scheduler.storage.store import Store

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


def assert_every_index_is_the_scan(client: Client, keys: Keys, ledger: Ledger, store: Store) -> None:
    """Compare all indexes with what the entries and the ledgers say."""
    assert_index_is_the_scan(client, keys, ledger)
    stored = store.all()
    runs = {name: ledger.latest([name]).get(name) for name in stored}
    outcomes = {name: OUTCOMES.index(run.outcome if run else "new") for name, run in runs.items()}
    assert dict(client.zrange(keys.outcomes, 0, -1, withscores=True)) == outcomes
    assert set(client.zrange(keys.quarantined, 0, -1)) == {name for name, entry in stored.items() if entry.error}
    assert_marks_are_the_scan(client, keys, ledger, stored)
    rows = {run.id: run for name in stored for run in ledger.runs(name, 10_000)}
    for failed in (False, True):
        found = {run.id: run for run in ledger.between(0, 9e12, 1_000_000, failed=failed) if run.schedule in stored}
        assert found == {identity: run for identity, run in rows.items() if run.went_wrong or not failed}
    skips = {run.id for step in ledger.steps(0, 9e12, skipped=True) for run in step if run.schedule in stored}
    expected = {identity for identity, run in rows.items() if run.outcome == "skipped"}
    assert skips == expected, [(it, rows[it]) for it in skips ^ expected]
    begun = {run.id: run.started + run.slow_after for run in rows.values() if run.slow_after and run.started}
    slow = {identity: at for identity, at in begun.items() if rows[identity].outcome in ("queued", "running")}
    indexed = dict(client.zrange(keys.slow, 0, -1, withscores=True))
    assert {identity: at for identity, at in indexed.items() if identity.rpartition("@")[0] in stored} == slow
    for index in (keys.runs, keys.went_wrong, keys.skips):
        for identity, score in client.zrange(index, 0, -1, withscores=True):
            run = rows.get(identity)  # None of a schedule that is gone; the index has microseconds
            assert run is None or abs(score - (run.until or run.due)) < 0.001, run


def assert_marks_are_the_scan(client: Client, keys: Keys, ledger: Ledger, names: Iterable[str]) -> None:
    """Compare how the last runs ended, and by when and how long the lists sort."""
    marks = recent(client, keys, names)
    ended, took = (dict(client.zrange(key, 0, -1, withscores=True)) for key in (keys.ended, keys.took))
    assert ended.keys() | took.keys() <= {*names}
    for name in names:
        rows = [run for run in ledger.runs(name, 10_000) if run.outcome not in UNDER_WAY]
        newest = sorted((run.due, run.outcome, run.duration or 0) for run in rows[:MAX_RECENT])
        shown = sorted((it.due, it.outcome, it.duration or 0) for it in marks[name])
        assert [it[:2] for it in shown] == [it[:2] for it in newest], name
        assert all(abs(it[2] - run[2]) < 0.002 for it, run in zip(shown, newest, strict=True)), (
            name
        )  # it has milliseconds
        if timed := [run for run in rows if run.duration is not None]:
            assert abs(-took[name] - (timed[0].duration or 0)) < 0.002, (name, timed[0])
        if ends := [run.finished for run in rows if run.finished and run.outcome != "skipped"]:
            assert abs(-ended[name] - max(ends)) < 0.002, name


def quarantine(store: Store, name: str, error: str) -> None:
    """Set an entry aside as a beat does that leads; whoever led before leads after it."""
    lock = store.client.get(store.keys.lock)
    store.client.set(store.keys.lock, "ours", keepttl=True)
    assert store.set_aside(name, str(store.get(name).revision), error, "ours")
    if lock is None:
        store.client.delete(store.keys.lock)
    else:
        store.client.set(store.keys.lock, lock, keepttl=True)
