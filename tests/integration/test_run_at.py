"""`run --at`: a manual run that waits for its time, and is sent once then."""

from __future__ import annotations

import json
import logging
import time
from datetime import datetime, timedelta
from typing import Any

import pytest

from scheduler import changes
from scheduler.beat.scheduler import Scheduler
from scheduler.errors import Exit, RefusedChange
from scheduler.model import Run
from scheduler.sending.later import Later
from scheduler.storage.client import Client
from scheduler.storage.instants import from_seconds
from scheduler.storage.keys import Keys
from scheduler.storage.store import Write
from tests.support.beats import arguments, come_to_rest, leading, messages, runs_sent, sent
from tests.support.polling import until
from tests.support.shell import Shell
from tests.support.shop import Shop, commit_at

HOUR = timedelta(hours=1)
KNOWN = changes.Known(tasks=None, file_only=())


def plan(shop: Shop, at: datetime | None = None, name: str = "job", **given: Any) -> str:
    """Ask for a run, in an hour unless another time is given."""
    at = at or from_seconds(time.time()) + HOUR
    return changes.run_at(shop.dispatcher, shop.store, shop.ledger, name, at, by="ann", known=KNOWN, **given)


def look(shop: Shop, monkeypatch: pytest.MonkeyPatch, after: timedelta = HOUR) -> None:
    """What a new leader does so much later."""
    then = time.time() + after.total_seconds() + 1
    with monkeypatch.context() as patched:
        patched.setattr(time, "time", lambda: then)
        Later(shop.dispatcher, shop.store, shop.ledger).send("ours", 0)


def test_a_run_waits_visibly_and_each_leader_after_its_time_sends_it_once_only(
    shop: Shop, client: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.add(overlap="skip")
    identity = plan(shop, args=[3, 4])
    waiting = shop.ledger.get(identity)
    assert (waiting.outcome, waiting.manual, waiting.by) == ("queued", True, "ann")
    assert waiting.detail == f"waits for {from_seconds(waiting.due):%Y-%m-%d %H:%M:%S} UTC"
    look(shop, monkeypatch, after=HOUR / 2)
    assert not sent(client)
    [text] = client.zrange(keys.later, 0, 0, withscores=True)
    for _ in range(2):
        look(shop, monkeypatch)
        client.zadd(keys.later, dict([text]))  # as a leader would see it that died with what it had read
    look(shop, monkeypatch)
    assert runs_sent(client) == [identity]
    assert arguments(sent(client)[0]) == ([3, 4], {})
    run = shop.ledger.get(identity)
    assert (run.outcome, run.detail, run.by, run.due) == ("queued", "", "ann", waiting.due)
    assert not client.exists(keys.later)


def test_the_log_says_that_it_was_sent_at_its_time(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shop.add()
    identity = plan(shop)
    with caplog.at_level(logging.INFO, "scheduler"):
        look(shop, monkeypatch)
    assert messages(caplog) == [f"Sent {identity} to its queue at its time"]


def test_a_run_that_waits_is_in_no_other_runs_way_and_says_nothing_of_its_schedule(shop: Shop, client: Client) -> None:
    shop.add(overlap="skip")
    plan(shop)
    assert not shop.ledger.latest(["job"])
    shop.commit()
    assert len(sent(client)) == 1
    assert [run.outcome for run in shop.ledger.latest(["job"]).values()] == ["queued"]
    assert not shop.ledger.latest(["job"])["job"].manual


def test_stop_takes_it_out_and_its_instant_may_be_asked_for_again(
    shop: Shop, client: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.add()
    at = from_seconds(time.time()) + HOUR
    identity = plan(shop, at)
    assert changes.stop(shop.ledger, identity, by="bob", note="not needed")
    assert not client.exists(keys.later)
    look(shop, monkeypatch)
    assert not sent(client)
    stopped = shop.ledger.get(identity)
    assert (stopped.outcome, stopped.detail) == ("stopped", "stopped by bob: not needed")
    assert plan(shop, at) == identity
    with pytest.raises(RefusedChange, match="exists already: give another second"):
        plan(shop, at)
    look(shop, monkeypatch)
    assert runs_sent(client) == [identity]


def test_a_run_whose_time_finds_another_in_its_way_says_so_and_who_asked(
    shop: Shop, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = shop.add(overlap="skip")
    identity = plan(shop)
    before = shop.dispatcher.run_now(entry, "ann")
    look(shop, monkeypatch)
    run = shop.ledger.get(identity)
    assert (run.outcome, run.manual, run.by) == ("skipped", True, "ann")
    assert run.detail == f"{before} had not finished"
    assert runs_sent(client) == [before]


def test_a_run_whose_schedule_was_removed_ends_with_that_reason(
    shop: Shop, client: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.add()
    identity = plan(shop)
    shop.store.write([Write("job", shop.store.get("job"), None)])
    client.zadd(keys.later, {"of another program": 1.0})
    look(shop, monkeypatch)
    run = shop.ledger.get(identity)
    assert (run.outcome, run.reason) == ("skipped", "removed")
    assert not client.exists(keys.later)
    assert not sent(client)


def test_rows_that_wait_outlive_the_bound_of_their_ledger_and_its_expiry(
    shop: Shop, client: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.add()
    identity = plan(shop, from_seconds(time.time()) + timedelta(days=300))
    assert client.ttl(keys.ledger("job")) > 300 * 86_400
    shop.dispatcher.limits = (keys.prefix, 1, 1_000)
    due = shop.due()
    for minute in range(12):
        commit_at(shop.dispatcher, shop.due(at=shop.now + minute * timedelta(minutes=1)) or due, time.time())
    assert shop.ledger.get(identity).outcome == "queued"
    assert client.ttl(keys.ledger("job")) > 300 * 86_400


@pytest.mark.parametrize(
    ("ahead", "says"), [(-HOUR, "UTC is over: give a later time"), (400 * 24 * HOUR, "more than a year ahead")]
)
def test_an_instant_that_is_over_or_too_far_ahead_is_refused(shop: Shop, ahead: timedelta, says: str) -> None:
    shop.add()
    with pytest.raises(RefusedChange, match=says):
        plan(shop, from_seconds(time.time()) + ahead)


def test_beat_wakes_at_the_time_of_a_run_that_waits(beat: Scheduler, shop: Shop, client: Client, keys: Keys) -> None:
    shop.add(every="1d", enabled=False)
    client.delete(keys.lock)  # the shop's
    come_to_rest(beat)
    identity = plan(shop, from_seconds(time.time()) + timedelta(seconds=1.5))
    assert 0 < leading(beat).tick() <= 1.5
    until(lambda: beat.tick() is not None and runs_sent(client) == [identity], 10, "it is not sent")
    assert shop.ledger.claim(Run(identity, "", 0.0, "running"), "worker", "token") == "claimed"


def test_the_command_says_until_when_it_waits_and_refuses_to_wait_for_it(shop: Shop, shell: Shell) -> None:
    shop.add()
    at = f"{from_seconds(time.time() + 3600):%Y-%m-%d %H:%M:%S}"
    said = shell.apart("run", "job", "--at", at)
    assert said.out.startswith("job@manual-")
    assert f"waits for {at} UTC; `" in said.out
    [run] = shop.ledger.runs("job")
    assert run.outcome == "queued"
    refused = shell("run", "job", "--at", at, "--wait")
    assert refused.code == Exit.USAGE
    assert "leave them out with --at" in refused.err


def test_list_and_status_show_what_waits(shop: Shop, shell: Shell, client: Client, keys: Keys) -> None:
    shop.add()
    identity = plan(shop)
    client.zadd(keys.later, {"of another program": 1.0})
    assert f": {identity}\n" in shell("list").out
    assert f"waits     {identity} until " in shell("status").out
    [row] = json.loads(shell("list", "--json").out)
    assert [it["id"] for it in row["waiting"]] == [identity]


def test_a_run_that_may_have_been_sent_is_not_sent_again_where_redis_came_back_with_older_data(
    shop: Shop, client: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.add()
    identity = plan(shop)
    then = time.time() + 2 * HOUR.total_seconds()
    monkeypatch.setattr(time, "time", lambda: then)
    Later(shop.dispatcher, shop.store, shop.ledger).send("ours", 0, from_seconds(then))
    run = shop.ledger.get(identity)
    assert (run.outcome, run.reason) == ("lost", "forgotten")
    assert not sent(client)
    assert not client.exists(keys.later)
