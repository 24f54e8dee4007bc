"""What the list keeps of every schedule follows each change, whoever makes it."""

from __future__ import annotations

import gc
import time
from unittest.mock import ANY

import pytest

from scheduler import changes
from scheduler.status.catalogue import FOREVER, MAX_AGE_S, Catalogue
from scheduler.status.query import matching, read_query
from scheduler.storage import health
from scheduler.storage.client import Client
from scheduler.storage.health import Quarantined
from scheduler.storage.keys import Keys
from scheduler.storage.store import Store, Write
from tests.support.schedules import declared, entry_of


@pytest.fixture
def catalogue(store: Store) -> Catalogue:
    """One that has read two schedules."""
    store.write([Write(name, None, entry_of(declared(name, description=f"of {name}"))) for name in ("a", "b")])
    made = Catalogue(store)
    assert made.look().names == ("a", "b")
    return made


def reads(client: Client) -> int:
    """Entries that were read since the last call."""
    calls = client.info("commandstats").get("cmdstat_hmget", {}).get("calls", 0)
    client.config_resetstat()
    return int(calls)


def edit(store: Store, name: str, **fields: object) -> None:
    before = store.get(name)
    store.write([Write(name, before, entry_of(declared(name, **fields)))])  # type: ignore[arg-type]


def test_a_change_is_seen_at_the_next_look_and_nothing_else_is_read(
    catalogue: Catalogue, store: Store, client: Client
) -> None:
    edit(store, "a", description="Monthly", tags=["x"])
    reads(client)
    assert matching(catalogue.look(), read_query("MONTH"), "x") == ["a"]
    assert reads(client) == 1
    view = catalogue.look()
    assert catalogue.look() is view
    assert reads(client) == 0


def test_the_counts_by_tag_follow_each_change_and_read_only_what_changed(
    catalogue: Catalogue, store: Store, client: Client
) -> None:
    for name, tags in (("a", ["x", "y"]), ("b", ["x"])):
        edit(store, name, tags=tags)
    assert catalogue.look().tags == {"x": 2, "y": 1}
    edit(store, "b", tags=["y"])
    reads(client)
    assert catalogue.look().tags == {"x": 1, "y": 2}
    assert reads(client) == 1


def test_schedules_come_and_go(catalogue: Catalogue, store: Store) -> None:
    store.write([Write("c", None, entry_of(declared("c"))), Write("a", store.get("a"), None)])
    assert catalogue.look().names == ("b", "c")
    renamed = [Write("c", store.get("c"), None, moved_to="d"), Write("d", None, entry_of(declared("d")))]
    store.write(renamed)
    assert catalogue.look().names == ("b", "d")


def test_a_pause_and_an_entry_that_beat_sets_aside_are_seen(
    catalogue: Catalogue, store: Store, client: Client, keys: Keys
) -> None:
    changes.pause(store, "a", by="ann")
    client.set(keys.lock, "ours")
    assert store.set_aside("b", str(store.get("b").revision), "its task is gone", "ours")
    kept = catalogue.look().kept
    assert (kept["a"].paused_until, kept["b"].is_quarantined) == (FOREVER, True)
    assert health.quarantined(client, keys, 5) == (1, {"b": Quarantined("its task is gone", ANY)})
    edit(store, "b")
    assert not catalogue.look().kept["b"].is_quarantined
    assert health.quarantined(client, keys, 5) == (0, {})


def test_what_another_program_adds_and_removes_is_seen(catalogue: Catalogue, client: Client, keys: Keys) -> None:
    client.hset(keys.entry("z"), "definition", '{"task": "theirs"}')
    client.zadd(keys.schedule, {keys.entry("z"): 5, keys.entry("nothing"): 6})
    assert matching(catalogue.look(), read_query("theirs")) == ["z"]
    client.zrem(keys.schedule, keys.entry("z"))
    assert catalogue.look().names == ("a", "b")


def test_a_reader_that_is_too_far_behind_reads_everything(
    catalogue: Catalogue, store: Store, client: Client, keys: Keys
) -> None:
    edit(store, "a", description="first")
    edit(store, "b", description="second")
    client.zrem(keys.revised, "a")  # as if ten thousand others had pushed it out
    assert matching(catalogue.look(), read_query("first")) == ["a"]


def test_everything_is_read_again_after_an_hour_for_what_others_changed_without_a_word(
    catalogue: Catalogue, client: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.hset(keys.entry("a"), "error", "set aside by an older release")
    assert not catalogue.look().held
    later = time.monotonic() + MAX_AGE_S + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert list(catalogue.look().held) == ["a"]
    reads(client)
    catalogue.look()
    assert reads(client) == 0, "the next hour begins"


def test_the_garbage_collector_does_not_walk_many_schedules_at_each_of_its_rounds(
    catalogue: Catalogue, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduler.status.catalogue.MANY", 1)
    try:
        view = Catalogue(store).look()
        walked = {id(it) for it in gc.get_objects()}
        assert view.kept
        assert not [it for it in view.kept.values() if id(it) in walked]
    finally:
        gc.unfreeze()


def test_a_redis_that_lost_its_data_is_read_again(catalogue: Catalogue, store: Store, client: Client) -> None:
    client.flushall()
    store.write([Write("new", None, entry_of(declared("new")))])
    assert catalogue.look().names == ("new",)


def test_an_entry_that_cannot_be_read_is_found_by_its_name(catalogue: Catalogue, client: Client, keys: Keys) -> None:
    client.hset(keys.entry("odd"), mapping={"definition": "{", "origin": "redbeat"})
    client.rpush(keys.entry("list"), "x")
    client.zadd(keys.schedule, {keys.entry("odd"): 5, keys.entry("list"): 5})
    view = catalogue.look()
    assert matching(view, read_query("ODD")) == ["odd"]
    assert view.kept["odd"].is_quarantined
