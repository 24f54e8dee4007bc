"""Rows of many runs: each is listed once, whatever is trimmed, divided or renamed meanwhile."""

from __future__ import annotations

import json
import time

import pytest

from scheduler.model import run_id
from scheduler.status import runs as status_runs
from scheduler.status.runs import Export, find
from scheduler.status.wanted import Wanted
from scheduler.storage import health
from scheduler.storage.beside import beside
from scheduler.storage.client import Client
from scheduler.storage.instants import from_seconds
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger

NOW = float(int(time.time()))


def add(client: Client, keys: Keys, name: str, due: float, **fields: str) -> str:
    """A row as scripts write it; returns its id."""
    identity = run_id(name, from_seconds(due))
    row = {"due": repr(due), "until": repr(due), "outcome": "succeeded"} | fields
    client.hset(keys.ledger(name), mapping={identity: json.dumps(row), ":last": identity})
    client.zadd(keys.runs, {identity: due})
    if row["outcome"] == "skipped":
        client.zadd(keys.skips, {identity: due})
    return identity


def test_rows_that_are_trimmed_while_a_list_is_read_hide_no_others(client: Client, keys: Keys, ledger: Ledger) -> None:
    fast = [add(client, keys, "fast", NOW - at) for at in range(400)]
    slow = [add(client, keys, "slow", NOW - 1000 - at // 3) for at in range(0, 900, 3)]
    listed: list[str] = []
    for run in Export(ledger, Wanted()):
        listed.append(run.id)
        if run.id == fast[250]:
            client.hdel(keys.ledger("fast"), *fast[:200])
            client.zrem(keys.runs, *fast[:200])
    assert listed == [*fast, *slow]


def test_more_skips_than_their_index_holds_are_all_listed(
    client: Client, keys: Keys, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "MAX_SKIPS", 5)
    monkeypatch.setattr("scheduler.storage.ledger.MAX_SKIPS", 5)
    skipped = [add(client, keys, "job", NOW - 60 * at, outcome="skipped", reason="overlap") for at in range(20)]
    add(client, keys, "job", NOW - 3600)
    health.bound(client, keys)
    client.set(keys.indexed, health.INDEX_VERSION)
    assert client.zcard(keys.skips) == 5
    assert [run.id for run in find(ledger, Wanted(outcome="skipped")).runs] == skipped


def test_skips_are_all_listed_also_while_an_older_leader_keeps_no_index_of_them(
    client: Client, keys: Keys, ledger: Ledger
) -> None:
    skipped = [add(client, keys, "job", NOW - 60 * at, outcome="skipped", reason="overlap") for at in range(3)]
    client.zrem(keys.skips, *skipped[1:])
    client.set(keys.indexed, "4")
    assert [run.id for run in find(ledger, Wanted(outcome="skipped")).runs] == skipped
    client.set(keys.indexed, health.INDEX_VERSION)
    assert [run.id for run in find(ledger, Wanted(outcome="skipped")).runs] == skipped[:1], "by the index alone"


def test_what_is_newer_than_was_asked_for_does_not_count_as_looked_at(
    client: Client, keys: Keys, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_runs, "MAX_LOOKED_AT", 10)
    ids = [add(client, keys, "job", NOW - at) for at in range(40)]
    for schedule in ("", "job"):
        found = find(ledger, Wanted(schedule=schedule, until=NOW - 30))
        assert [run.id for run in found.runs] == ids[30:], schedule


def test_runs_from_before_a_rename_lead_to_those_after_it(client: Client, keys: Keys, ledger: Ledger) -> None:
    old, between = (add(client, keys, "old", NOW - at) for at in (20, 10))
    client.rename(keys.ledger("old"), keys.ledger("fresh"))
    client.set(keys.moved("old"), "fresh")
    fresh = add(client, keys, "fresh", NOW)
    beside_each = [beside(ledger, ledger.get(it)) for it in (old, between, fresh)]
    ids = [tuple(it and it.id for it in both) for both in beside_each]
    assert ids == [(None, between), (old, fresh), (between, None)]
