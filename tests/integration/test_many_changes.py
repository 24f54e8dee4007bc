"""A set of changes that is too large to travel with the step that makes them: still one step, or none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from scheduler.errors import Conflict
from scheduler.redis_url import SOCKET_TIMEOUT
from scheduler.settings import Settings
from scheduler.storage import store as store_module
from scheduler.storage.audit import audit_line
from scheduler.storage.client import Client, connect
from scheduler.storage.keys import Keys
from scheduler.storage.scripts import line_of
from scheduler.storage.store import Store, Write
from tests.support.schedules import NOON, declared, entry_of

MANY = 1201  #: more than travel with the step itself


def many(store: Store) -> list[Write]:
    made = entry_of(declared())
    return [Write(f"n{number}", None, replace(made, name=f"n{number}")) for number in range(MANY)]


def test_many_changes_of_every_kind_are_one_step(store: Store, client: Client, keys: Keys) -> None:
    store.write(many(store))
    stored = store.all()
    assert len(stored) == MANY
    assert len({entry.revision for entry in stored.values()}) == MANY
    assert client.ttl(keys.entry("n0")) == -1
    changes = [Write(name, entry, None) for name, entry in stored.items() if name < "n2"]
    kept = {name: entry for name, entry in stored.items() if name >= "n2"}
    changes += [Write(name, entry, replace(entry, fields=entry.fields | {"args": [1]})) for name, entry in kept.items()]
    changes += [Write("new", None, replace(stored["n0"], name="new"))]
    announced = client.pubsub(ignore_subscribe_messages=True)
    announced.subscribe(keys.wake)
    announced.get_message(timeout=60)
    store.write(changes)
    assert announced.get_message(timeout=60)
    assert not announced.get_message(timeout=0.1)
    announced.close()
    after = store.all()
    assert after.keys() == kept.keys() | {"new"}
    assert all(entry.fields["args"] == [1] for name, entry in after.items() if name != "new")
    assert all(entry.revision != stored[name].revision for name, entry in after.items() if name != "new")
    assert client.smembers(keys.changed) == stored.keys() | {"new"}
    assert client.keys(f"{keys.staged('*')}*") == []


def test_many_changes_with_one_conflict_are_none(store: Store, client: Client, keys: Keys) -> None:
    store.write([Write("n1200", None, entry_of(declared("n1200")))])
    with pytest.raises(Conflict, match="'n1200' changed at the same time"):
        store.write(many(store))
    assert store.names() == ["n1200"]
    assert client.keys(f"{keys.staged('*')}*") == []


def test_many_changes_of_a_beat_that_lost_the_lock_are_none(store: Store, client: Client, keys: Keys) -> None:
    client.set(keys.lock, "another's")
    with pytest.raises(Conflict, match="lost the lock"):
        store.write(many(store), token="ours")
    assert store.names() == []
    assert client.keys(f"{keys.staged('*')}*") == []


def test_a_step_that_takes_longer_than_redis_may_be_silent_is_waited_for(
    store: Store, settings: Settings, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduler.storage.client.SOCKET_TIMEOUT", 0.3)
    monkeypatch.setattr("scheduler.storage.store.SOCKET_TIMEOUT", 0.3)
    monkeypatch.setattr("scheduler.storage.store.STEP_S", 0.05)
    monkeypatch.setattr("scheduler.faults.reach", lambda _: client.client_pause(1000))
    with connect(settings) as hasty:
        Store(hasty, store.keys).write(many(store))
    assert len(store.names()) == MANY


def test_the_lock_lasts_as_long_as_the_step_may_take(
    store: Store, client: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduler.storage.store.STEP_S", 1.0)
    client.set(keys.lock, "ours", px=60_000)
    store.write(many(store), token="ours")
    assert client.pttl(keys.lock) > MANY * 1000


def test_changes_that_were_laid_down_and_are_gone_are_none(
    store: Store, client: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduler.faults.reach", lambda _: client.delete(*client.keys(f"{keys.staged('*')}2")))
    with pytest.raises(Conflict, match="is gone, so nothing was written"):
        store.write(many(store))
    assert store.names() == []


@pytest.mark.parametrize("lost", [2, 3])
def test_a_page_that_was_lost_on_its_way_is_laid_down_again(store: Store, client: Client, lost: int) -> None:
    looks = 0

    def lose_one() -> None:
        nonlocal looks
        looks += 1
        if looks == lost - 1:
            line_of(client).finish()
            client.client_pause(60_000, all=False)  # Redis keeps writes that come now
        elif looks == lost:
            client.client_kill_filter(_type="normal", skipme=True)
            client.client_unpause()

    try:
        store.write(many(store), progress=lose_one)
    finally:
        client.client_unpause()
    assert looks == 3
    assert len(store.names()) == MANY


def test_a_redis_that_answers_late_after_the_step_is_waited_for(
    store: Store, client: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It writes to its disk what the step did."""
    monkeypatch.setattr(store_module, "STEP_S", 0.01)
    apply = store._apply

    def then_writes(*args: Any, **more: Any) -> Any:
        conflicts = apply(*args, **more)
        client.client_pause(int(SOCKET_TIMEOUT * 1000) + 500, all=True)
        return conflicts

    store._apply = then_writes  # type: ignore[assignment]
    store.write(many(store))
    assert len(store.names()) == MANY
    assert client.keys(f"{keys.staged('*')}*") == []


def test_a_change_that_is_given_up_leaves_nothing_that_was_laid_down(store: Store, client: Client, keys: Keys) -> None:
    def give_up() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.write(many(store), progress=give_up)
    line_of(client).finish()
    assert client.keys(f"{keys.staged('*')}*") == []
    assert store.names() == []


def test_what_is_laid_down_does_not_outlive_who_did_it(store: Store, client: Client, keys: Keys) -> None:
    found: list[int] = []

    def look() -> None:
        found.extend(client.ttl(key) for key in client.keys(f"{keys.staged('*')}*"))

    store.write(many(store), progress=look)
    assert len(found) > MANY
    assert all(0 < seconds <= 1200 for seconds in found)


def test_each_line_of_a_large_load_has_an_id_of_its_own_before_that_of_the_summary(store: Store) -> None:
    batch = [
        replace(write, audit=audit_line("ann", NOON, "add", None, {}, schedule=write.name)) for write in many(store)
    ]
    store.write(batch)
    store.audit.add(audit_line("ann", NOON, "later", None, None))
    later, summary = store.audit.lines()
    ids = [store.audit.lines(schedule=write.name)[0]["id"] for write in batch]
    parts = [tuple(map(int, identity.split("-"))) for identity in (*ids, summary["id"], later["id"])]
    assert parts == sorted(set(parts))
    assert (later["change"], summary["why"]) == ("later", f"{MANY} add")


def test_a_schedule_that_is_renamed_in_a_large_load_keeps_its_outcomes(
    store: Store, client: Client, keys: Keys
) -> None:
    before = entry_of(declared("before"))
    store.write([Write("before", None, before)])
    client.hset(keys.ledger("before"), mapping={":last": "before@x", "before@x": '{"outcome":"failed","due":"1"}'})
    renamed = [
        Write("before", store.get("before"), None, moved_to="after"),
        Write("after", None, replace(before, name="after")),
    ]
    store.write([*renamed, *many(store)])
    assert client.zscore(keys.outcomes, "after") != client.zscore(keys.outcomes, "n0")
