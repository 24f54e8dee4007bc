"""The states that the indexes give are those that the entries and ledgers give."""

from __future__ import annotations

import random
import time
from datetime import timedelta
from typing import Any

import pytest

from scheduler import changes
from scheduler.model import Entry, Outcome
from scheduler.status.catalogue import Catalogue
from scheduler.status.read_model import Status
from scheduler.status.states import AllStates, all_states
from scheduler.storage import health
from scheduler.storage.client import Client
from scheduler.storage.instants import from_seconds
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.storage.store import Store, Write
from tests.support.health import assert_every_index_is_the_scan
from tests.support.schedules import declared, entry_of
from tests.support.shop import Shop

NAMES = [f"job-{number}" for number in range(12)]


def indexed(store: Store) -> AllStates:
    return all_states(store, Catalogue(store).look())


def assert_states_are_those_of_the_rows(store: Store, ledger: Ledger) -> dict[str, str]:
    """Compare each schedule, and the counts; returns the states by name."""
    states = indexed(store)
    rows = {row.name: row.state for row in Status(store, ledger).rows()}
    assert {name: states.others.get(name, states.usual) for name in states.view.names} == rows
    counts = states.counts(frozenset(states.view.names))
    assert sum(counts.values()) == len(rows)
    for state, count in counts.items():
        assert count == len(states.only(list(rows), state)) == sum(it == state for it in rows.values())
    every = {name: store.get(name) for name in rows}
    pauses = {name: entry.pause.until for name, entry in every.items() if entry.pause}
    paused = {name for name, until in pauses.items() if until is None or until > time.time()}
    off = {name for name, entry in every.items() if not entry.fields.get("enabled", True)} - paused
    finished = {name for name, state in rows.items() if state == "finished"}
    expected = {"paused": len(paused), "off": len(off), "finished": len(finished)}
    assert states.modes == expected | {"on": len(rows) - len(paused | off | finished)}
    return rows  # type: ignore[return-value]


@pytest.fixture
def later(shop: Shop) -> Any:
    """Schedules that are due in an hour."""

    def add(name: str, **fields: Any) -> Entry:
        shop.add(name, **fields)
        entry = shop.store.get(name)
        shop.store.write([Write(name, entry, entry.with_due(shop.now + timedelta(hours=1)))])
        return shop.store.get(name)

    return add


def send(shop: Shop, name: str) -> str:
    """A run of this minute; the next one is due in an hour."""
    entry = shop.store.get(name)
    shop.store.write([Write(name, entry, entry.with_due(shop.now))])
    shop.commit(name)
    entry = shop.store.get(name)
    shop.store.write([Write(name, entry, entry.with_due(shop.now + timedelta(hours=1)))])
    return shop.ledger.runs(name, 1)[0].id


def end(shop: Shop, name: str, outcome: Outcome | None) -> None:
    """Claim the newest run, and close it unless ``outcome`` is None."""
    run = shop.ledger.runs(name, 1)[0]
    assert shop.ledger.claim(run, "host:1", "token") == "claimed"
    if outcome:
        assert shop.ledger.close(run.id, outcome, token="token", until=time.time() + 60)


def test_each_state_is_found_by_the_index(shop: Shop, later: Any, store: Store, ledger: Ledger, client: Client) -> None:
    for name in ("new", "ok", "failed", "lost", "queued", "running", "paused", "disabled", "quarantined", "over"):
        later(name)
    for name, outcome in (("ok", "succeeded"), ("failed", "failed"), ("lost", "lost"), ("running", None)):
        send(shop, name)
        end(shop, name, outcome)  # type: ignore[arg-type]
    send(shop, "queued")
    changes.pause(store, "paused", by="ann")
    before = store.get("disabled")
    off = entry_of(declared("disabled", enabled=False))
    store.write([Write("disabled", before, off), Write("over", store.get("over"), store.get("over").with_due(None))])
    assert store.set_aside("quarantined", str(store.get("quarantined").revision), "odd", "ours")
    shop.add("overdue", late=timedelta(hours=2))
    states = assert_states_are_those_of_the_rows(store, ledger)
    assert states.pop("over") == "finished"
    assert all(name == state for name, state in states.items()), states


def test_states_and_indexes_stay_right_whatever_happens_in_whatever_order(
    shop: Shop, later: Any, store: Store, ledger: Ledger, client: Client, keys: Keys
) -> None:
    chance = random.Random(13)
    for name in NAMES:
        later(name, overlap=chance.choice(["allow", "skip", "queue"]), slow_after="1h")
    for step in range(150):
        name = chance.choice(store.names())
        act(chance, shop, later, name)
        if step % 10 == 0:
            assert_states_are_those_of_the_rows(store, ledger)
            assert_every_index_is_the_scan(client, keys, ledger, store)
    assert_states_are_those_of_the_rows(store, ledger)
    indexes = (keys.outcomes, keys.quarantined, keys.stuck, keys.ended, keys.took)
    before = {key: client.zrange(key, 0, -1, withscores=True) for key in indexes}
    client.delete(*indexes, keys.failing, keys.went_wrong, keys.skips, keys.runs, keys.slow)
    for name in store.names():
        client.hdel(keys.ledger(name), ":recent")
    client.zadd(keys.outcomes, {"gone": 3})
    health.rebuild(client, keys)
    assert {key: client.zrange(key, 0, -1, withscores=True) for key in before} == before
    assert_every_index_is_the_scan(client, keys, ledger, store)


def act(chance: random.Random, shop: Shop, later: Any, name: str) -> None:
    """One thing that a beat, a worker or a person does."""
    store, newest = shop.store, shop.ledger.runs(name, 1)
    shop.now += timedelta(seconds=60)
    match chance.randrange(9):
        case 0 | 1 | 2 if not store.get(name).pause and not store.get(name).error:
            send(shop, name)
        case 3 | 4 | 5 if newest and newest[0].outcome in ("queued", "running"):
            end(shop, name, chance.choice(["succeeded", "failed", "lost", "stopped", "queued", None]))
        case 6 if newest and newest[0].outcome == "queued":
            shop.ledger.close(newest[0].id, "skipped", reason="expired")  # type: ignore[arg-type]
        case 7:
            changes.pause(store, name, by="ann") if not store.get(name).pause else changes.resume(store, name, by="ann")
        case 8:
            entry = store.get(name)
            store.write([Write(name, entry, None)])
            if chance.random() < 0.7:
                later(name)
        case _:
            store.set_aside(name, str(store.get(name).revision), "odd", "ours")


def test_the_indexes_of_runs_are_bounded_by_number_and_age(
    shop: Shop, client: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "MAX_RUNS", 3)
    for index in (keys.runs, keys.went_wrong, keys.skips):
        client.zadd(index, {f"job-{days}": time.time() - days * 86_400 for days in (1, 2, 3, 365, 367)})
    health.bound(client, keys)
    assert client.zrange(keys.runs, 0, -1, desc=True) == ["job-1", "job-2", "job-3"]
    assert client.zrange(keys.went_wrong, 0, -1, desc=True) == ["job-1", "job-2", "job-3", "job-365"]


def test_a_schedule_that_is_renamed_keeps_its_state(shop: Shop, later: Any, store: Store, ledger: Ledger) -> None:
    later("old")
    send(shop, "old")
    end(shop, "old", "failed")
    heir = entry_of(declared("new"), due=shop.now + timedelta(hours=1))
    renamed = [Write("old", store.get("old"), None, moved_to="new"), Write("new", None, heir)]
    store.write(renamed)
    assert assert_states_are_those_of_the_rows(store, ledger) == {"new": "failed"}


def test_what_failed_is_found_by_time_although_all_is_well_again(
    shop: Shop, later: Any, store: Store, ledger: Ledger
) -> None:
    for name in ("a", "b"):
        later(name)
        send(shop, name)
        end(shop, name, "failed" if name == "a" else "lost")
    failed = {run.id for run in ledger.between(0, time.time(), 10, failed=True)}
    assert {identity.partition("@")[0] for identity in failed} == {"a", "b"}
    lost = ledger.runs("b", 1)[0]
    assert ledger.close(lost.id, "succeeded", token="token")  # its worker lives after all
    shop.now += timedelta(seconds=60)
    send(shop, "a")
    end(shop, "a", "succeeded")
    (run,) = ledger.between(0, time.time() + 60, 10, failed=True)
    assert (run.schedule, run.outcome) == ("a", "failed")
    assert ledger.between(run.due + 1, time.time() + 60, 10, failed=True) == []
    renamed = [Write("a", store.get("a"), None, moved_to="c"), Write("c", None, entry_of(declared("c")))]
    store.write(renamed)
    assert [found.id for found in ledger.between(0, time.time() + 60, 10, failed=True)] == [run.id]


def test_an_index_of_an_older_release_is_whole_after_a_rebuild(
    shop: Shop, later: Any, store: Store, ledger: Ledger, client: Client, keys: Keys
) -> None:
    for name in ("a", "b"):
        later(name)
    send(shop, "a")
    end(shop, "a", "failed")
    client.delete(keys.outcomes, keys.quarantined)
    states = indexed(store)
    assert states.counts(frozenset(states.view.names)) == {"new": 2}
    health.rebuild(client, keys)
    assert assert_states_are_those_of_the_rows(store, ledger) == {"a": "failed", "b": "new"}
    assert from_seconds(ledger.between(0, time.time() + 60, 1, failed=True)[0].due) == shop.now
