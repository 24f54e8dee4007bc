"""One step in Redis sends a batch: the messages, the ledger and the entries move together or not at all."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from celery import Celery
from kombu.entity import Queue

from scheduler.errors import NotFound, RefusedChange
from scheduler.model import Entry, Pause, run_id
from scheduler.sending.decide import Decision, Forgotten, Leaderless, decide
from scheduler.sending.dispatch import Dispatcher, Due, Unsendable
from scheduler.sending.headers import task_id
from scheduler.settings import Settings
from scheduler.storage import entries
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.storage.lock import LostLock
from scheduler.storage.store import Store, Write
from tests.support.beats import arguments, runs_sent, sent
from tests.support.schedules import HOUR, MINUTE
from tests.support.shop import HALF, TASK, Shop, claim, claim_and_close, commit, snapshot


def test_a_due_instant_is_sent_recorded_and_left_behind(shop: Shop, client: Client, now: datetime) -> None:
    before = shop.add()
    assert before.due is not None
    assert shop.commit() == []
    identity = run_id("job", before.due)
    (message,) = sent(client)
    assert (message["headers"]["scheduler_run"], message["headers"]["id"]) == (identity, task_id(identity))
    assert arguments(message) == ([1, 2], {})
    run = shop.ledger.get(identity)
    assert (run.outcome, run.schedule, run.task, run.task_id) == ("queued", "job", TASK, task_id(identity))
    assert (run.due, run.manual, run.count) == (before.due.timestamp(), False, 1)
    assert abs(run.sent - time.time()) < 10
    after = shop.store.get("job")
    assert (after.due, after.last_run_at, after.total_run_count) == (before.due + MINUTE, before.due, 1)


def test_the_index_moves_with_the_entry(shop: Shop, client: Client, keys: Keys) -> None:
    due = shop.add().due
    shop.commit()
    assert due is not None
    assert client.zscore(keys.schedule, keys.entry("job")) == (due + MINUTE).timestamp()


def test_redbeats_meta_moves_with_the_entry(shop: Shop, client: Client, keys: Keys) -> None:
    due = shop.add().due
    shop.commit()
    assert client.hget(keys.entry("job"), "meta") == entries.meta(due, 1)


def test_nothing_is_sent_with_a_lock_that_is_anothers(shop: Shop, client: Client, keys: Keys) -> None:
    shop.add()
    shop.add("other", catch_up="none", late=HOUR)
    client.set(keys.lock, "another beat's")
    before = snapshot(client)
    with pytest.raises(LostLock):
        shop.commit()
    assert snapshot(client) == before


def test_nothing_is_sent_without_a_lock(shop: Shop, client: Client, keys: Keys) -> None:
    shop.add()
    client.delete(keys.lock)
    before = snapshot(client)
    with pytest.raises(LostLock):
        shop.commit()
    assert snapshot(client) == before


CHANGES: dict[str, Callable[[Store, Client, str], object]] = {
    "edited": lambda store, client, key: store.write(
        [Write("job", store.get("job"), replace(store.get("job"), fields=store.get("job").fields | {"args": [3, 4]}))]
    ),
    "advanced by somebody else": lambda store, client, key: client.hset(key, "due", "5"),
    "saved by another program": lambda store, client, key: client.hset(key, "definition", "{}"),
    "removed": lambda store, client, key: store.write([Write("job", store.get("job"), None)]),
    "removed by another program": lambda store, client, key: client.delete(key),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_an_entry_that_was_changed_meanwhile_is_left_alone_and_the_others_are_sent(
    shop: Shop, client: Client, keys: Keys, change: Callable[[Store, Client, str], object]
) -> None:
    shop.add()
    shop.add("other")
    batch = shop.due("job", "other")
    change(shop.store, client, keys.entry("job"))
    before = snapshot(client)
    assert commit(shop.dispatcher, batch) == ["job"]
    after = snapshot(client)
    assert [run.rpartition("@")[0] for run in runs_sent(client)] == ["other"]
    assert shop.ledger.runs("job") == []
    assert after.get(keys.entry("job")) == before.get(keys.entry("job"))


def test_skips_of_an_entry_that_was_changed_meanwhile_are_neither_recorded_nor_logged(
    shop: Shop, client: Client, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    shop.add(late=HOUR, catch_up="none")
    batch = shop.due()
    client.hset(keys.entry("job"), "due", "5")
    with caplog.at_level(logging.DEBUG, "scheduler"):
        assert commit(shop.dispatcher, batch) == ["job"]
    assert shop.ledger.runs("job") == []
    assert caplog.records == []


def test_committing_the_same_batch_a_second_time_pushes_nothing(shop: Shop, client: Client) -> None:
    shop.add()
    batch = shop.due()
    commit(shop.dispatcher, batch)
    before = snapshot(client)
    assert commit(shop.dispatcher, batch) == ["job"]
    assert snapshot(client) == before


def test_an_instant_that_comes_up_again_is_not_sent_again(shop: Shop, client: Client, keys: Keys) -> None:
    due = shop.add().due
    shop.commit()
    entry = shop.store.get("job")
    shop.store.write([Write("job", entry, replace(entry, due=due))])
    client.hset(keys.entry("job"), "meta", entries.meta(None, 0))
    shop.commit()
    assert len(sent(client)) == 1


def test_missed_instants_are_one_row_with_a_count(shop: Shop, now: datetime) -> None:
    shop.add(late=HOUR, catch_up="none")
    shop.commit(at=now - 20 * MINUTE + HALF)
    (row,) = shop.ledger.runs("job")
    assert (row.outcome, row.reason, row.detail, row.count) == ("skipped", "missed", "it was not sent in time", 40)
    assert (row.due, row.until) == ((now - 59 * MINUTE).timestamp(), (now - 20 * MINUTE).timestamp())


def test_equal_skips_of_several_ticks_are_one_row(shop: Shop, now: datetime) -> None:
    shop.add(late=HOUR, catch_up="none")
    for minutes in (50, 40, 30):
        shop.commit(at=now - minutes * MINUTE + HALF)
    (row,) = shop.ledger.runs("job")
    assert (row.due, row.until, row.count) == ((now - 59 * MINUTE).timestamp(), (now - 30 * MINUTE).timestamp(), 30)


def test_skips_for_different_reasons_are_rows_of_their_own(shop: Shop, now: datetime) -> None:
    entry = shop.add(late=HOUR, catch_up="none")
    job = entries.job(entry)
    away = Leaderless(now - HOUR, now - 40 * MINUTE)
    commit(shop.dispatcher, [Due(entry, job, decide(entry, job, now - 20 * MINUTE + HALF, away), entry.due)])
    late, down = shop.ledger.runs("job")
    assert (late.detail, late.count) == ("it was not sent in time", 20)
    assert (down.detail[:13], down.count) == ("beat was down", 20)


def test_no_stretch_reaches_across_an_instant_that_has_its_row(shop: Shop, now: datetime) -> None:
    entry = shop.add(late=5 * MINUTE)
    job = entries.job(entry)
    known = now - 2 * MINUTE
    forgotten = Forgotten(now - MINUTE, {known})
    commit(shop.dispatcher, [Due(entry, job, decide(entry, job, now - HALF, forgotten=forgotten), entry.due)])
    rows = [(row.due, row.until, row.count) for row in reversed(shop.ledger.runs("job")) if row.reason == "forgotten"]
    before, after = (known - MINUTE).timestamp(), (known + MINUTE).timestamp()
    assert rows == [((now - 4 * MINUTE).timestamp(), before, 2), (after, after, 1)]


def test_a_skip_after_a_run_is_a_row_of_its_own(shop: Shop, client: Client) -> None:
    shop.add(overlap="skip")
    shop.tick(0)
    shop.tick(1)
    claim_and_close(shop)
    shop.tick(2)
    assert shop.tick(3) == ["succeeded", "skipped", "queued", "skipped"]


def test_a_pause_that_ended_is_taken_from_the_entry_and_from_redbeats_definition(
    shop: Shop, client: Client, keys: Keys, now: datetime
) -> None:
    entry = shop.add(late=HOUR)
    pause = Pause("ann", 0.0, "note", until=(now - MINUTE).timestamp())
    shop.store.write([Write("job", entry, replace(entry, pause=pause))])
    assert json.loads(client.hget(keys.entry("job"), "definition"))["enabled"] is False
    shop.commit()
    stored = client.hgetall(keys.entry("job"))
    assert shop.store.get("job").pause is None
    assert json.loads(stored["definition"])["enabled"] is True
    assert not entries.was_changed_outside(stored)
    assert shop.store.get("job").revision > entry.revision
    skipped = shop.ledger.runs("job")[-1]
    assert (skipped.outcome, skipped.reason, skipped.detail) == ("skipped", "paused", "paused by ann: note")


@pytest.mark.parametrize("pause", [Pause("ann", 0.0), Pause("ann", 0.0, until=1.0)], ids=["begins", "ends"])
def test_a_pause_that_meets_a_sending_does_not_bring_the_same_instant_up_again(shop: Shop, pause: Pause) -> None:
    before = shop.add()
    shop.commit()
    shop.store.write([Write("job", before, replace(before, pause=pause))])
    after = shop.store.get("job")
    assert before.due is not None
    assert (after.due, after.pause) == (before.due + MINUTE, pause)


@pytest.fixture
def forgetful(celery: Celery, client: Client, keys: Keys, settings: Settings, store: Store, now: datetime) -> Shop:
    """A shop with one schedule, of which five runs are kept."""
    client.set(keys.lock, "ours")
    few = replace(settings, keep_runs=5)
    shop = Shop(store, Dispatcher(celery, client, keys, few), Ledger(client, keys, few), now)
    shop.add()
    return shop


def test_a_ledger_keeps_the_newest_runs_and_is_bounded(forgetful: Shop, client: Client, keys: Keys) -> None:
    for minute in range(50):
        forgetful.commit(at=forgetful.now + minute * MINUTE)
    runs = forgetful.ledger.runs("job", 1000)
    assert 5 <= len(runs) <= 2 * 5 + 3
    last = forgetful.store.get("job").last_run_at
    assert last is not None
    assert [run.due for run in runs] == [last.timestamp() - 60 * n for n in range(len(runs))]
    assert client.hlen(keys.ledger("job")) <= 2 * 5 + 5
    assert client.zrange(keys.runs, 0, -1, desc=True) == [run.id for run in runs]


def test_a_run_that_is_trimmed_in_the_step_that_sends_it_is_not_in_the_index(
    forgetful: Shop, client: Client, keys: Keys
) -> None:
    now = forgetful.now
    for minute in range(30):
        entry = forgetful.store.get("job")
        commit(
            forgetful.dispatcher,
            [Due(entry, entries.job(entry), Decision((now - minute * MINUTE,), (), now), entry.due)],
        )
    kept = [run.id for run in forgetful.ledger.runs("job", 1000)]
    assert len(kept) < 30
    assert client.zrange(keys.runs, 0, -1, desc=True) == kept


LASTING = {"schedule", "audit", "file", "revision", "commits", "lock"}  # the lock of these tests is set by hand


def test_every_key_but_schedule_data_has_an_end(shop: Shop, client: Client, keys: Keys) -> None:
    for name in ("job", "queue", "skip"):
        shop.add(name, overlap={"job": "allow"}.get(name, name), late=HOUR, catch_up="none")
    for minute in (-30, 0, 1, 2):
        shop.commit(at=shop.now + minute * MINUTE)
    shop.ledger.close(claim(shop).id, "succeeded")
    lasting = {keys.prefix + ":" + name for name in LASTING} | {keys.entry(name) for name in shop.store.names()}
    ours = [key for key in client.keys(f"{keys.prefix}*") if key not in lasting]
    assert ours
    for key in ours:
        assert 0 < client.pttl(key) <= 30 * 86_400_000, key


def test_an_entry_whose_message_cannot_be_built_is_named_and_nothing_was_sent(shop: Shop, client: Client) -> None:
    shop.add()
    shop.add("other")
    broken = Entry("broken", "redbeat", {"task": TASK, "schedule": 60.0, "options": {"headers": "no mapping"}})
    batch = shop.due("job", "other")
    job = entries.job(broken)
    wrong = Due(broken, job, batch[0].decision, None)
    before = snapshot(client)
    with pytest.raises(Unsendable) as caught:
        commit(shop.dispatcher, [batch[0], wrong, batch[1]])
    assert caught.value.entry == broken
    assert snapshot(client) == before


@pytest.mark.parametrize("kind", ["string", "hash"])
def test_a_queue_that_became_something_else_is_recorded_and_stops_nobody_else(
    shop: Shop, client: Client, kind: str
) -> None:
    for name in ("wrong", "right"):
        shop.add(name, queue=name)
        shop.commit(name)
    client.delete("wrong")
    client.set("wrong", "x") if kind == "string" else client.hset("wrong", "x", "y")
    assert shop.commit("wrong", "right", at=shop.now + MINUTE) == []
    assert len(sent(client, "right")) == 2
    row = shop.ledger.runs("wrong")[0]
    assert (row.outcome, row.reason, row.detail) == ("skipped", "no queue", "wrong is not a list in Redis")
    with pytest.raises(RefusedChange, match=r"^wrong is not a list in Redis: give schedule 'wrong' another queue$"):
        shop.dispatcher.run_now(shop.store.get("wrong"), "ann")


def test_a_queue_that_never_was_a_list_makes_the_entry_unsendable(shop: Shop, client: Client) -> None:
    client.set("taken", "x")
    shop.add(queue="taken")
    with pytest.raises(Unsendable, match="wrong kind of value"):
        shop.commit()


def test_an_edit_governs_the_next_message(shop: Shop, client: Client) -> None:
    entry = shop.add()
    shop.commit()
    entry = shop.store.get("job")
    shop.store.write([Write("job", entry, replace(entry, fields=entry.fields | {"args": [3, 4]}))])
    shop.commit(at=shop.now + 10 * MINUTE)
    assert arguments(sent(client)[-1]) == ([3, 4], {})


def test_the_last_row_of_many_schedules_is_found_at_once(shop: Shop, now: datetime) -> None:
    for name in ("a", "b"):
        shop.add(name)
    shop.add("skipped", late=HOUR, catch_up="none")
    shop.commit("a", "b", at=now)
    shop.commit("skipped", at=now - MINUTE + HALF)
    found = shop.ledger.latest(["a", "b", "skipped", "never"])
    assert {name: run.outcome for name, run in found.items()} == {"a": "queued", "b": "queued", "skipped": "skipped"}


def test_a_run_that_the_ledger_does_not_know_is_not_found(ledger: Ledger) -> None:
    with pytest.raises(NotFound, match=r"^no run is called 'job@2026-01-01T00:00:00Z', or it is older"):
        ledger.get("job@2026-01-01T00:00:00Z")


def test_every_run_and_skip_is_one_line_in_the_log(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    shop.add(overlap="skip", queue="slow")
    with caplog.at_level(logging.DEBUG, "scheduler"):
        shop.tick(0)
        shop.tick(1)
    first, second = [record.getMessage() for record in caplog.records]
    assert first == f"Sent {shop.ledger.runs('job')[-1].id} to slow"
    assert second == "Skipped 1 × job: the previous run had not finished"


def test_a_queue_that_ends_when_nobody_uses_it_is_kept_up_with_each_message_as_kombu_does(
    shop: Shop, celery: Celery, client: Client
) -> None:
    """The option ``x-expires`` of a queue, which kombu turns into a command beside the push."""
    brief: Any = Queue
    celery.conf.task_queues = [brief("celery"), brief("brief", queue_arguments={"x-expires": 60_000})]
    shop.add("lasting")
    shop.add(queue="brief")
    for minute in (0, 1):
        shop.commit(at=shop.now + minute * MINUTE)
    assert [client.llen(queue) for queue in ("brief", "celery")] == [2, 2]
    assert 0 < client.pttl("brief") <= 60_000
    assert client.pttl("celery") == -1
    assert {run.queue for run in shop.ledger.runs("job")} == {"brief"}
