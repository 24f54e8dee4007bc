"""People are told of due instants that were missed and of runs that take too long: once, and when it is over."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta

import pytest

from scheduler.alerts.alert import Alert
from scheduler.beat.alerts import Look
from scheduler.sending.decide import Leaderless, decide
from scheduler.sending.dispatch import Due
from scheduler.settings import Settings
from scheduler.storage import entries
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from tests.support.schedules import MINUTE
from tests.support.shop import Shop, claim, commit

TOKEN = "ours"


@pytest.fixture
def look(client: Client, keys: Keys, settings: Settings, shop: Shop) -> Look:
    client.hset(keys.file, "alerts", json.dumps({"sinks": {"ops": {"webhook": {}}}}))
    client.set(keys.lock, TOKEN)
    return Look(client, settings, keys, TOKEN)


def said(look: Look, client: Client, keys: Keys) -> list[Alert]:
    """The alerts of one look."""
    look.look()
    texts = client.lrange(keys.alert_outbox("ops"), 0, -1)
    client.delete(keys.alert_outbox("ops"))
    return [Alert.from_json(text) for text in texts]


def commit_after_outage(shop: Shop, at: datetime, minutes: int) -> None:
    entry = shop.store.get("job")
    job = entries.job(entry)
    decision = decide(entry, job, at, Leaderless(at - minutes * MINUTE, at))
    commit(shop.dispatcher, [Due(entry, job, decision, entry.due)], TOKEN)


@pytest.mark.parametrize(("catch_up", "count"), [("none", 10), ("latest", 9)])
def test_due_instants_that_fell_into_an_outage_are_one_alert_with_their_count_and_the_reason(
    shop: Shop, look: Look, client: Client, keys: Keys, catch_up: str, count: int
) -> None:
    shop.add(late=10 * MINUTE, catch_up=catch_up)
    commit_after_outage(shop, shop.now + MINUTE / 2, 11)
    (alert,) = said(look, client, keys)
    assert (alert.event, alert.title()) == ("missed", f"job missed {count} runs")
    assert alert.reason.startswith("beat was down ")
    assert alert.since == shop.ledger.runs("job")[-1].due
    assert said(look, client, keys) == []


def test_a_stretch_that_grows_is_told_once(shop: Shop, look: Look, client: Client, keys: Keys) -> None:
    shop.add(late=2 * MINUTE, catch_up="none")
    told = []
    for minutes in (0.5, 2.5, 4.5):
        shop.commit(at=shop.now + minutes * MINUTE, token=TOKEN)
        told += said(look, client, keys)
    assert [alert.event for alert in told] == ["missed"]
    (row,) = shop.ledger.runs("job")
    assert (row.reason, row.count) == ("missed", 6)


def slow_run(shop: Shop, after: str) -> str:
    """The id of a run that a worker has just started, of a schedule that is slow after that time."""
    shop.add(slow_after=after)
    shop.commit(token=TOKEN)
    return claim(shop).id


def test_a_run_that_takes_too_long_is_told_while_it_runs_and_once(
    shop: Shop, look: Look, client: Client, keys: Keys
) -> None:
    identity = slow_run(shop, "1ms")
    time.sleep(0.002)
    (alert,) = said(look, client, keys)
    assert (alert.title(), alert.reason) == ("job is slow", "a run takes longer than 1ms")
    shop.ledger.close(identity, "succeeded")
    assert said(look, client, keys) == []
    shop.commit(at=shop.now + MINUTE, token=TOKEN)
    following = claim(shop, 1).id
    assert said(look, client, keys) == [], "it is slow still: no second alert"
    shop.ledger.close(following, "succeeded", finished=shop.ledger.get(following).started)
    assert [alert.title() for alert in said(look, client, keys)] == ["Solved: job is slow"]
    assert not client.exists(keys.slow)


def test_a_run_that_ended_too_late_between_two_looks_is_told(
    shop: Shop, look: Look, client: Client, keys: Keys
) -> None:
    identity = slow_run(shop, "10m")
    assert said(look, client, keys) == []
    shop.ledger.close(identity, "failed", finished=time.time() + timedelta(minutes=11).total_seconds())
    assert sorted(alert.event for alert in said(look, client, keys)) == ["failing", "slow"]


def test_a_run_in_time_and_one_without_slow_after_are_no_news(
    shop: Shop, look: Look, client: Client, keys: Keys
) -> None:
    shop.ledger.close(slow_run(shop, "10m"), "succeeded")
    shop.add("other")
    shop.commit("other", token=TOKEN)
    identity = claim(shop, 1).id
    assert client.zcard(keys.slow) == 0
    shop.ledger.close(identity, "succeeded", finished=time.time() + 1e6)
    assert said(look, client, keys) == []


def test_a_slow_run_that_was_lost_or_removed_is_not_kept(shop: Shop, look: Look, client: Client, keys: Keys) -> None:
    slow_run(shop, "1ms")
    client.delete(keys.ledger("job"))
    time.sleep(0.002)
    assert said(look, client, keys) == []
    assert not client.exists(keys.slow)
