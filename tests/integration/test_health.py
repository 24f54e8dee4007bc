"""A schedule is failing from the first due instant that failed or was lost until one succeeds, whatever reads it."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest

from scheduler.beat.indexes import Indexes
from scheduler.model import Reason, Run, run_id
from scheduler.storage import health
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.storage.store import Store, Write
from tests.support.health import assert_index_is_the_scan
from tests.support.polling import until
from tests.support.schedules import MINUTE, NOON, declared, entry_of
from tests.support.shell import Shell
from tests.support.shop import Shop


@pytest.fixture(autouse=True)
def _a_schedule(store: Store) -> None:
    store.write([Write("job", None, entry_of(declared("job")))])


def end(ledger: Ledger, minute: int, outcome: Any, name: str = "job", **more: Any) -> str:
    """A run that fell due in this minute after noon ends; returns its id."""
    due = NOON + minute * MINUTE
    identity = run_id(name, due)
    ledger.claim(Run(identity, name, due.timestamp(), "running", task="t"), "host:1", "token")
    ledger.close(identity, outcome, token="token", **more)
    return identity


def counts(client: Client, keys: Keys) -> dict[str, int]:
    return {one.name: one.count for one in health.failing(client, keys).worst}


@pytest.mark.parametrize("outcome", ["failed", "lost"])
def test_a_schedule_fails_until_a_run_succeeds(ledger: Ledger, client: Client, keys: Keys, outcome: Any) -> None:
    end(ledger, 0, "succeeded")
    assert counts(client, keys) == {}
    end(ledger, 1, outcome, finished=NOON.timestamp() + 90)
    end(ledger, 2, outcome)
    assert counts(client, keys) == {"job": 2}
    assert health.failing(client, keys).worst[0].since == NOON.timestamp() + 90
    end(ledger, 3, "succeeded")
    assert counts(client, keys) == {}


def test_a_skip_says_nothing_about_health(shop: Shop, ledger: Ledger, client: Client, keys: Keys) -> None:
    end(ledger, 0, "failed")
    end(ledger, 1, "skipped", reason=Reason.OVERLAP)
    shop.add("busy", overlap="skip")
    shop.commit("busy")
    shop.tick(2, "busy")
    identity = next(run.id for run in ledger.runs("busy") if run.outcome == "queued")
    ledger.close(identity, "failed")
    shop.tick(3, "busy")
    shop.tick(4, "busy")
    outcomes = shop.outcomes("busy")
    assert outcomes[-1] == "skipped"
    assert set(outcomes) == {"failed", "queued", "skipped"}
    assert counts(client, keys) == {"job": 1, "busy": 1}


def test_a_run_that_ends_late_does_not_hide_a_newer_one(ledger: Ledger, client: Client, keys: Keys) -> None:
    """A long run of 12:00 ends after that of 12:02."""
    end(ledger, 2, "succeeded")
    end(ledger, 0, "failed")
    assert counts(client, keys) == {}
    end(ledger, 4, "failed")
    end(ledger, 3, "succeeded")
    assert counts(client, keys) == {"job": 1}


@pytest.mark.parametrize(("outcome", "failing"), [("succeeded", {}), ("failed", {"job": 1})])
def test_a_run_that_was_given_up_and_ended_counts_once(
    ledger: Ledger, client: Client, keys: Keys, outcome: Any, failing: dict[str, int]
) -> None:
    identity = end(ledger, 0, "lost")
    assert counts(client, keys) == {"job": 1}
    assert ledger.close(identity, outcome, token="token")
    assert counts(client, keys) == failing


def test_health_goes_with_a_schedule_that_is_removed_restored_or_renamed(
    store: Store, ledger: Ledger, client: Client, keys: Keys
) -> None:
    end(ledger, 0, "failed")
    entry = store.get("job")
    store.write([Write("job", entry, None)])
    assert counts(client, keys) == {}
    end(ledger, 1, "failed")  # a run that was under way meanwhile
    assert client.zcard(keys.failing) == 0
    store.write([Write("job", None, entry_of(declared("job")))])
    assert counts(client, keys) == {"job": 2}


@pytest.mark.parametrize("is_removed_first", [True, False])
def test_a_schedule_that_is_renamed_while_it_fails_fails_under_its_new_name(
    store: Store, ledger: Ledger, client: Client, keys: Keys, *, is_removed_first: bool
) -> None:
    since = NOON.timestamp() + 1
    identity = end(ledger, 0, "failed", finished=since)
    before = store.get("job")
    writes = [Write("job", before, None, moved_to="new"), Write("new", None, entry_of(declared("new")))]
    store.write(writes if is_removed_first else writes[::-1])
    assert health.failing(client, keys) == (1, [health.Failing("new", since, 1)])
    ledger.close(identity, "succeeded", token="token")
    end(ledger, 1, "lost")  # sent under the old name
    assert counts(client, keys) == {"new": 2}


def test_the_worst_come_first_and_all_are_counted(store: Store, ledger: Ledger, client: Client, keys: Keys) -> None:
    for minute, name in enumerate(("c", "a", "b")):
        store.write([Write(name, None, entry_of(declared(name)))])
        end(ledger, minute, "failed", name, finished=NOON.timestamp() + 60 * minute)
    total, worst = health.failing(client, keys, limit=2)
    assert (total, [one.name for one in worst]) == (3, ["c", "a"])


def test_what_an_older_release_wrote_counts_after_rebuild_at_once_and_without_it_after_an_hour(
    shell: Shell, ledger: Ledger, client: Client, keys: Keys
) -> None:
    health.rebuild(client, keys)
    end(ledger, 0, "failed")
    client.hdel(keys.ledger("job"), ":health")
    client.delete(keys.failing)
    assert 0 < client.ttl(keys.indexed) <= 3600
    said = shell("rebuild")
    assert (said.code, said.out.strip()) == (0, "read every ledger: 1 failing schedule")
    assert counts(client, keys) == {"job": 1}


def test_index_and_scan_agree_whatever_ends_in_whatever_order(
    store: Store, ledger: Ledger, client: Client, keys: Keys
) -> None:
    names = ["job", "a", "b.c"]
    store.write([Write(name, None, entry_of(declared(name))) for name in names[1:]])
    chance = random.Random(13)
    minutes = [(name, minute) for name in names for minute in range(40)]
    chance.shuffle(minutes)
    given_up = []
    for name, minute in minutes:
        outcome = chance.choice(["succeeded", "failed", "failed", "lost", "skipped", "queued"])
        identity = end(ledger, minute, outcome, name, **({"until": time.time() + 60} if outcome == "queued" else {}))
        given_up += [identity] if outcome == "lost" else []
        if given_up and chance.random() < 0.2:
            ledger.close(given_up.pop(0), chance.choice(["succeeded", "failed"]), token="token")
        assert_index_is_the_scan(client, keys, ledger)


def test_a_streak_that_is_longer_than_the_ledger_is_counted_whole(ledger: Ledger, client: Client, keys: Keys) -> None:
    ledger.limits[1] = 5
    for minute in range(30):
        end(ledger, minute, "failed", finished=NOON.timestamp() + 60 * minute + 1)
    health.rebuild(client, keys)
    assert health.failing(client, keys).worst == [health.Failing("job", NOON.timestamp() + 1, 30)]


def test_the_leader_reads_the_ledgers_that_an_older_release_wrote(ledger: Ledger, client: Client, keys: Keys) -> None:
    """Such a release may work beside this one: each hour, what it left is read again."""
    end(ledger, 0, "failed")
    client.hdel(keys.ledger("job"), ":health")
    client.delete(keys.failing)
    indexes = Indexes(client, keys)
    indexes.keep()
    until(lambda: client.get(keys.indexed), 60, "the ledgers are read")
    assert counts(client, keys) == {"job": 1}
    assert 0 < client.ttl(keys.indexed) <= health.REBUILD_INTERVAL_S
    next_leader = Indexes(client, keys)
    next_leader.keep()
    assert next_leader.thread is None, "it was done a moment ago"
    indexes.close()


def test_a_schedule_is_failing_until_it_succeeds_although_its_ledger_expired(
    ledger: Ledger, client: Client, keys: Keys
) -> None:
    """As that of a job which runs once a year does."""
    end(ledger, 0, "failed")
    client.delete(keys.ledger("job"))
    health.rebuild(client, keys)
    assert counts(client, keys) == {"job": 1}
    end(ledger, 1, "succeeded")
    assert counts(client, keys) == {}


def test_a_damaged_ledger_ends_no_change_halfway(store: Store, client: Client, keys: Keys) -> None:
    client.set(keys.ledger("one"), "of another program")
    store.write([Write(name, None, entry_of(declared(name))) for name in ("one", "two")])
    assert {"one", "two"} <= {*store.names()}


def test_a_rebuild_reads_rows_that_python_wrote(client: Client, keys: Keys) -> None:
    """They have a space behind each colon, unlike those of Lua."""
    row = {"due": repr(NOON.timestamp()), "outcome": "failed", "finished": repr(NOON.timestamp() + 1)}
    client.hset(keys.ledger("job"), run_id("job", NOON), json.dumps(row))
    health.rebuild(client, keys)
    assert health.failing(client, keys).worst == [health.Failing("job", NOON.timestamp() + 1, 1)]


def test_a_rebuild_mends_an_index_that_is_wrong(ledger: Ledger, client: Client, keys: Keys) -> None:
    end(ledger, 0, "failed")
    client.zadd(keys.failing, {"gone": 1.0})
    client.hset(keys.ledger("job"), ":health", "damaged")
    health.rebuild(client, keys)
    assert client.zrange(keys.failing, 0, -1) == ["job"]
    assert_index_is_the_scan(client, keys, ledger)
