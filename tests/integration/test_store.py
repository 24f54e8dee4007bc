"""Entries in a real Redis: written all or none, read whatever they hold, set aside without touching the others."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from scheduler.errors import Conflict, NotFound
from scheduler.model import Entry, Overlaid, Pause
from scheduler.storage import entries
from scheduler.storage.audit import audit_line
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.store import Store, Write
from tests.support.schedules import HOUR, MINUTE, NOON, declared, entry_of

FIELDS: dict[str, Any] = {"args": [1, {"a": None, "__type__": "crontab"}], "kwargs": {"ü": [2.5, "'\"\n"]}}


def add(store: Store, *wanted: Entry) -> None:
    store.write([Write(entry.name, None, entry) for entry in wanted])


def score(client: Client, keys: Keys, name: str = "job") -> float | None:
    found: float | None = client.zscore(keys.schedule, keys.entry(name))
    return found


def test_an_entry_comes_back_as_it_was_written(store: Store) -> None:
    entry = entry_of(
        declared(**FIELDS, queue="slow", tags=["x"]),
        overlay={"args": Overlaid([1], "ann", 5.5, "why")},
        pause=Pause("bob", 6.25, "note", until=7.0),
        last_run_at=NOON,
        total_run_count=3,
    )
    add(store, entry)
    assert replace(store.get("job"), revision=0) == entry


def test_arguments_come_back_byte_for_byte(store: Store, client: Client, keys: Keys) -> None:
    add(store, entry_of(declared(**FIELDS)))
    definition = json.loads(client.hget(keys.entry("job"), "definition"))
    assert {key: definition[key] for key in FIELDS} == FIELDS
    assert {key: store.get("job").fields[key] for key in FIELDS} == FIELDS


def test_the_index_holds_the_time_at_which_beat_looks(store: Store, client: Client, keys: Keys) -> None:
    add(store, entry_of(declared()))
    assert score(client, keys) == (NOON + MINUTE).timestamp()


def test_a_paused_entry_costs_beat_nothing_until_its_end(store: Store, client: Client, keys: Keys) -> None:
    until = (NOON + HOUR).timestamp()
    add(store, entry_of(declared("for-ever"), pause=Pause("ann", 0.0)))
    add(store, entry_of(declared("for-now"), pause=Pause("ann", 0.0, until=until)))
    assert score(client, keys, "for-ever") == entries.NEVER
    assert score(client, keys, "for-now") == until


def test_a_set_of_changes_is_written_as_a_whole_or_not_at_all(store: Store) -> None:
    add(store, entry_of(declared("a")), entry_of(declared("b")))
    old = store.get("b")
    store.write([Write("b", old, replace(old, fields=old.fields | {"args": [1]}))])
    changes = [Write("a", store.get("a"), None), Write("b", old, None), Write("c", None, entry_of(declared("c")))]
    with pytest.raises(Conflict, match=r"^'b' changed at the same time, so nothing was written"):
        store.write(changes)
    assert store.names() == ["a", "b"]


def test_a_name_that_exists_is_not_made_a_second_time(store: Store) -> None:
    add(store, entry_of(declared()))
    with pytest.raises(Conflict):
        add(store, entry_of(declared(args=[1])))
    assert "args" not in store.get("job").fields


def test_a_removed_name_that_was_made_again_is_not_mistaken_for_the_old_one(store: Store) -> None:
    add(store, entry_of(declared()))
    old = store.get("job")
    store.write([Write("job", old, None)])
    add(store, entry_of(declared()))
    with pytest.raises(Conflict):
        store.write([Write("job", old, None)])


def test_a_beat_without_the_lock_writes_nothing(store: Store, client: Client, keys: Keys) -> None:
    client.set(keys.lock, "another beat's")
    with pytest.raises(Conflict, match="another beat leads"):
        store.write([Write("job", None, entry_of(declared()))], token="ours")
    assert client.keys() == [keys.lock]


def test_an_edit_that_leaves_the_time_alone_never_moves_the_next_run(store: Store, client: Client, keys: Keys) -> None:
    add(store, entry_of(declared()))
    client.hset(keys.entry("job"), "due", "123")
    client.zadd(keys.schedule, {keys.entry("job"): 123.0})
    for number in range(20):
        entry = store.get("job")
        after = replace(entry, fields=entry.fields | {"args": [number]}, due=NOON)
        store.write([Write("job", entry, after, reschedule=False)])
    assert (score(client, keys), client.hget(keys.entry("job"), "due")) == (123.0, "123")


def test_what_was_run_survives_an_edit(store: Store, client: Client, keys: Keys) -> None:
    add(store, entry_of(declared(), total_run_count=3))
    client.hset(keys.entry("job"), mapping={"count": "9", "meta": entries.meta(NOON + HOUR, 9)})
    entry = store.get("job")
    store.write([Write("job", replace(entry, total_run_count=0, last_run_at=None), entry)])
    assert (store.get("job").total_run_count, store.get("job").last_run_at) == (9, NOON + HOUR)


def test_a_renamed_entry_takes_its_history_along(store: Store, client: Client, keys: Keys) -> None:
    add(store, entry_of(declared("old"), total_run_count=3, last_run_at=NOON))
    client.hset(keys.ledger("old"), "old@x", "{}")
    entry = store.get("old")
    changes = [Write("old", entry, None, moved_to="new"), Write("new", None, replace(entry, name="new"))]
    store.write(changes)
    assert store.names() == ["new"]
    assert store.get("new").total_run_count == 3
    assert client.hgetall(keys.ledger("new")) == {"old@x": "{}"}
    assert not client.exists(keys.ledger("old"), keys.entry("old"))


def test_a_removed_entry_leaves_no_key(store: Store, client: Client, keys: Keys) -> None:
    add(store, entry_of(declared()))
    client.hset(keys.ledger("job"), ":waiting", "x")
    store.write([Write("job", store.get("job"), None)])
    assert client.keys("*job*") == []


def test_an_entry_of_another_program_is_never_made_anew(store: Store, client: Client, keys: Keys) -> None:
    client.hset(keys.entry("job"), "definition", "{}")
    with pytest.raises(Conflict):
        add(store, entry_of(declared()))
    assert client.hgetall(keys.entry("job")) == {"definition": "{}"}


def test_what_is_no_entry_does_not_keep_one_from_being_made(store: Store, client: Client, keys: Keys) -> None:
    client.set(keys.entry("job"), "text")
    client.hset(keys.entry("other"), "meta", '{"total_run_count": 5}')
    add(store, entry_of(declared()), entry_of(declared("other")))
    assert store.names() == ["job", "other"]
    assert store.get("other").total_run_count == 0


def test_every_change_is_announced_and_written_into_the_audit_log(store: Store, client: Client, keys: Keys) -> None:
    with client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe(keys.wake)
        pubsub.get_message(timeout=60)
        line = audit_line("ann", NOON, "add", None, {"task": "t"}, "because")
        store.write([Write("job", None, entry_of(declared()), audit=line)])
        assert pubsub.get_message(timeout=60)["channel"] == keys.wake
    [told] = store.audit.lines()
    assert told == store.audit.line(told["id"])
    assert told == line | {"id": told["id"], "schedule": ""}


def test_the_audit_log_forgets_its_oldest_lines(
    store: Store, client: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduler.storage.audit.AUDIT_LENGTH", 100)
    for number in range(500):
        store.audit.add({"change": "note", "number": number})
    assert 100 <= client.xlen(keys.audit) <= 300, "Redis frees lines by the hundred"
    store.write([Write("a", None, entry_of(declared("a")), audit={"change": "add"})])
    assert client.xlen(keys.audit) <= 300
    assert store.audit.lines(2)[1]["number"] == 499


def test_the_newest_line_of_the_audit_log_comes_first(store: Store) -> None:
    for name in "abc":
        line = audit_line("ann", NOON, name, None, None)
        store.write([Write(name, None, entry_of(declared(name)), audit=line)])
    assert [line["change"] for line in store.audit.lines(2)] == ["c", "b"]


def test_a_schedule_that_does_not_exist_is_named_with_a_remedy(store: Store) -> None:
    with pytest.raises(
        NotFound, match=r"^no schedule is called 'nothing': `python3 -m scheduler list` shows every one$"
    ):
        store.get("nothing")


def test_a_name_that_is_misspelt_is_answered_with_the_one_that_is_meant(store: Store) -> None:
    add(store, entry_of(declared("nightly-report")), entry_of(declared("other")))
    with pytest.raises(NotFound, match=r"^no schedule is called 'nightly-raport': did you mean 'nightly-report'\?$"):
        store.get("nightly-raport")


def test_no_name_can_reach_a_key_of_the_service_itself(keys: Keys) -> None:
    for name in (":lock", ":schedule", ":run:x", "", "a b", "x" * 101):
        with pytest.raises(AssertionError, match="is not a valid name"):
            declared(name)
    ours = {
        value
        for key in ("schedule", "lock", "wake", "audit", "file", "leader", "last_led", "standbys", "leases")
        if (value := getattr(keys, key))
    }
    assert all(key.startswith(f"{keys.prefix}:") for key in ours)


DAMAGE = {
    "no JSON in meta": {"meta": "nonsense"},
    "meta is a list": {"meta": "[]"},
    "the last run is no instant": {"meta": '{"last_run_at": {"__type__": "datetime", "year": 0}}'},
    "the last run is in an unknown zone": {
        "meta": '{"last_run_at": {"year": 2026, "month": 1, "day": 1, "timezone": "Mars/Olympus"}}'
    },
    "no JSON in the fields": {"fields": "{"},
    "the fields are a list": {"fields": "[1]"},
    "no JSON in the overlay": {"overlay": "x"},
    "an overlay without its author": {"overlay": '{"args": {"value": 1}}'},
    "an unknown origin": {"origin": "elsewhere"},
    "a pause that is none": {"pause": '{"what": 1}'},
    "a due instant that is none": {"due": "soon"},
    "a due instant spelled otherwise": {"due": "+5"},
    "a due instant out of range": {"due": "9" * 30},
    "a revision that is none": {"revision": "x"},
    "a revision spelled otherwise": {"revision": " 7"},
    "a count that is none": {"count": "many"},
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_entry_is_shown_with_its_error_and_the_file_mends_it(
    store: Store, client: Client, keys: Keys, damage: dict[str, str]
) -> None:
    entry = entry_of(declared())
    add(store, entry, entry_of(declared("other")))
    client.hset(keys.entry("job"), mapping=damage)
    found = store.all()
    assert found["other"].error == ""
    with pytest.raises(entries.DamagedEntry):
        raise_error(found["job"])
    if "origin" in damage:
        return
    store.write([Write("job", replace(found["job"], error=found["job"].error or "set aside"), entry)])
    assert replace(store.get("job"), revision=0) == entry


def raise_error(entry: Entry) -> None:
    if entry.error:
        raise entries.DamagedEntry(entry.error)
    entries.job(entry)


def test_a_key_of_another_type_in_the_index_hides_no_entry(store: Store, client: Client, keys: Keys) -> None:
    add(store, entry_of(declared()))
    client.set(keys.entry("text"), "not ours")
    client.zadd(keys.schedule, {keys.entry("text"): 1.0})
    assert list(store.all()) == ["job"]


def test_an_entry_that_was_set_aside_is_kept_with_its_error_and_not_met_again(
    store: Store, client: Client, keys: Keys
) -> None:
    client.set(keys.lock, "ours")
    add(store, entry_of(declared()))
    entry = store.get("job")
    assert store.set_aside("job", str(entry.revision), "cannot be sent", "ours")
    assert store.get("job") == replace(entry, error="cannot be sent")
    assert score(client, keys) == entries.NEVER


def test_an_entry_that_was_changed_meanwhile_is_not_set_aside(store: Store, client: Client, keys: Keys) -> None:
    client.set(keys.lock, "ours")
    add(store, entry_of(declared()))
    old = store.get("job")
    store.write([Write("job", old, replace(old, fields=old.fields | {"args": [1]}))])
    assert not store.set_aside("job", str(old.revision), "cannot be sent", "ours")
    assert store.get("job").error == ""


def test_a_beat_that_lost_its_lock_sets_nothing_aside(store: Store, client: Client, keys: Keys) -> None:
    client.set(keys.lock, "another beat's")
    add(store, entry_of(declared()))
    assert not store.set_aside("job", str(store.get("job").revision), "cannot be sent", "ours")
    assert store.get("job").error == ""


def test_setting_a_removed_entry_aside_leaves_no_key(store: Store, client: Client, keys: Keys) -> None:
    client.set(keys.lock, "ours")
    client.zadd(keys.schedule, {keys.entry("job"): 1.0})
    assert store.set_aside("job", "", "gone", "ours")
    assert client.keys("*job*") == []
    assert store.names() == []


def test_an_entry_that_was_made_again_meanwhile_stays_in_the_index(store: Store, client: Client, keys: Keys) -> None:
    client.set(keys.lock, "ours")
    add(store, entry_of(declared()))
    assert not store.set_aside("job", "", "gone", "ours")
    assert store.names() == ["job"]


def test_many_entries_are_read_and_written_in_a_few_steps(store: Store) -> None:
    many = [entry_of(declared(f"s{number}")) for number in range(2500)]
    add(store, *many)
    assert len(store.all()) == 2500
