"""`overlap: replace`: the newer run stops the older one, and starts when that has ended."""

from __future__ import annotations

import json

import pytest

from scheduler.model import Outcome, Reason, Run
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from tests.support.beats import runs_sent
from tests.support.shop import Shop, claim


def test_the_newer_run_starts_only_when_the_older_one_was_stopped(shop: Shop, client: Client, keys: Keys) -> None:
    shop.add(overlap="replace")
    shop.tick(0)
    older = claim(shop)
    assert shop.tick(1) == ["running", "queued"]
    newer = shop.ledger.runs("job")[0].id
    assert shop.ledger.stops([older.id]) == {older.id: f"replaced by {newer}"}
    assert runs_sent(client) == [older.id]
    assert shop.ledger.close(older.id, "failed", token="token", reason=Reason.ERROR)
    assert runs_sent(client) == [older.id, newer]
    ended = shop.ledger.get(older.id)
    assert (ended.outcome, ended.reason, ended.detail) == ("stopped", "replaced", f"replaced by {newer}")
    assert not client.exists(keys.stops)


@pytest.mark.parametrize("expires", [None, "1h"])
def test_runs_that_never_began_are_replaced_at_once_and_only_the_newest_starts(
    shop: Shop, client: Client, keys: Keys, expires: str | None
) -> None:
    shop.add(overlap="replace", expires=expires)
    shop.tick(0)
    assert shop.tick(1) == ["stopped", "queued"]
    running = claim(shop, 1)
    shop.tick(2)
    assert shop.tick(3) == ["stopped", "running", "stopped", "queued"]
    assert shop.ledger.close(running.id, "lost")
    newest = shop.ledger.runs("job")[0].id
    assert runs_sent(client)[2:] == [newest]
    assert client.zrange(keys.sent("celery"), 0, -1) == [newest]
    assert client.zrange(keys.leases, 0, -1) == ([newest] if expires else [])


@pytest.mark.parametrize("outcome", ["succeeded", "failed", "lost"])
def test_a_run_that_is_replaced_again_and_again_keeps_its_turn_in_its_group(
    shop: Shop, client: Client, keys: Keys, outcome: Outcome
) -> None:
    shop.store.note_file({"groups": json.dumps({"warehouse": 1})})
    for name in ("first", "job", "later"):
        shop.add(name, group="warehouse", overlap="replace")
        shop.commit(name)
    shop.tick(1)
    newest = shop.ledger.runs("job")[0].id
    first, *_ = runs_sent(client)
    assert shop.ledger.claim(Run(first, "", 0.0, "running"), "worker", "token") == "claimed"
    assert shop.ledger.close(first, outcome)
    assert runs_sent(client) == [first, newest]
    assert shop.tick(2)[-1] == "queued"
    newest = shop.ledger.runs("job")[0].id
    assert runs_sent(client)[-1] == newest, "it has the place of the one that it replaced"
    assert client.zrange(keys.group("warehouse"), 0, -1) == [newest]


def test_many_replaced_runs_leave_nothing_behind(shop: Shop, client: Client, keys: Keys) -> None:
    shop.add(overlap="replace")
    shop.tick(0)
    for minute in range(1, 60):
        sent = runs_sent(client)
        running = claim(shop, len(sent) - 1)
        shop.tick(minute)
        assert shop.ledger.close(running.id, "lost" if minute % 2 else "failed")
        assert len(runs_sent(client)) == len(sent) + 1, "one at a time"
    assert set(shop.outcomes()) == {"stopped", "queued"}
    assert not client.exists(keys.stops)
    assert client.hget(keys.ledger("job"), ":waiting") is None
