"""What was due, started and failed in each minute, from counters that the steps of the ledger write."""

from __future__ import annotations

import time
from datetime import timedelta

from scheduler.status.minutes import Minute, minutes
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from tests.support.shell import Shell
from tests.support.shop import Shop, claim


def last_hour(client: Client, keys: Keys) -> list[Minute]:
    return minutes(client, keys, time.time() - 3600, time.time())


def total(found: list[Minute]) -> tuple[int, int, int]:
    """Of all minutes, because the test may run through the end of one."""
    return sum(it.due for it in found), sum(it.started for it in found), sum(it.failed for it in found)


def test_each_minute_says_what_was_due_started_and_failed(shop: Shop, client: Client, keys: Keys, shell: Shell) -> None:
    for name in ("a", "b", "c", "d"):
        shop.add(name)
    shop.add("late", late=timedelta(hours=1), catch_up="none")  # the due instants of an hour are missed, one runs
    began = time.time()
    shop.commit()
    due, started, failed = total(last_hour(client, keys))
    missed = sum(run.count for run in shop.ledger.runs("late") if run.outcome == "skipped")
    assert missed > 50
    assert (due, started, failed) == (5 + missed, 0, 0)
    for outcome in ("succeeded", "failed", "lost"):
        run = claim(shop)
        shop.store.client.rpop("celery")
        assert shop.ledger.claim(run, "worker", "token") == "claimed"  # the same attempt, which counts once
        assert shop.ledger.close(run.id, outcome)
    found = last_hour(client, keys)
    assert total(found) == (5 + missed, 3, 2)
    assert all(began - 60 < minute.at <= time.time() and minute.at % 60 == 0 for minute in found)
    shown = shell("status", "--json").json["minutes"]
    assert sum(minute["failed"] for minute in shown) == 2
    assert shown[0]["at"].endswith(":00Z")


def test_minutes_are_read_across_hours_and_another_programs_key_hides_only_its_hour(client: Client, keys: Keys) -> None:
    client.hset(keys.minutes(10), mapping={"due:58": 3, "failed:59": 1, "of a later release:59": 7, "due:odd": "odd"})
    client.rpush(keys.minutes(11), "another program's")
    client.hset(keys.minutes(12), mapping={"due:0": 5})
    found = minutes(client, keys, 10 * 3600 + 58 * 60 + 1, 12 * 3600)
    assert found == [Minute(10 * 3600 + 59 * 60, failed=1), Minute(12 * 3600, due=5)]
    assert minutes(client, keys, 0, 100 * 3600) == []  # no more than two days
