"""One step in Redis sends a batch: the messages, the ledger and the entries move together or not at all."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from celery import Celery

from scheduler import entries
from scheduler.decide import decide
from scheduler.dispatch import Dispatcher, Due, LostLock, Unsendable
from scheduler.errors import NotFound, RefusedChange
from scheduler.instants import from_seconds
from scheduler.ledger import Ledger
from scheduler.message import task_id
from scheduler.model import Entry, Pause, Run, run_id
from scheduler.redis_client import Client, Keys
from scheduler.settings import Settings
from scheduler.store import Store, Write
from tests.support.beats import arguments, runs_sent, sent
from tests.support.schedules import HOUR, MINUTE, declared, entry_of

TASK = "scheduler.tasks.log_it"
Commit = Callable[..., list[str]]


@pytest.fixture
def now() -> datetime:
    """The full minute at which schedules of `every: 1m` are due."""
    return from_seconds(time.time() // 60 * 60)


@pytest.fixture
def dispatcher(celery: Celery, client: Client, keys: Keys, settings: Settings) -> Dispatcher:
    client.set(keys.lock, "ours")
    return Dispatcher(celery, client, keys, settings)


class Shop:
    """Schedules in the store, and what is decided over them."""

    def __init__(self, store: Store, dispatcher: Dispatcher, ledger: Ledger, now: datetime) -> None:
        self.store = store
        self.dispatcher = dispatcher
        self.ledger = ledger
        self.now = now

    def add(self, name: str = "job", late: timedelta = MINUTE, **fields: Any) -> Entry:
        """A schedule whose next due instant was computed so long ago; due once a minute, with overlap allowed."""
        fields = {"every": "1m", "overlap": "allow", "start": "1970-01-01T00:00Z", "args": [1, 2]} | fields
        wanted = declared(name, task=fields.pop("task", TASK), **fields)
        self.store.write([Write(name, None, entry_of(wanted, now=self.now - late))])
        return self.store.get(name)

    def due(self, *names: str, at: datetime | None = None) -> list[Due]:
        found = []
        for entry in self.store.read(names or self.store.names()):
            job = entries.job(entry)
            found.append(Due(entry, job, decide(entry, job, at or self.now)))
        return found

    def commit(self, *names: str, at: datetime | None = None, token: str = "ours") -> list[str]:
        return self.dispatcher.commit(self.due(*names, at=at), token)

    def tick(self, minutes: int, name: str = "job") -> list[str]:
        """What is due so many minutes from now; returns the outcomes of all runs, the oldest first."""
        self.commit(name, at=self.now + minutes * MINUTE)
        return self.outcomes(name)

    def outcomes(self, name: str = "job") -> list[str]:
        return [run.outcome for run in reversed(self.ledger.runs(name))]


@pytest.fixture
def shop(store: Store, dispatcher: Dispatcher, ledger: Ledger, now: datetime) -> Shop:
    return Shop(store, dispatcher, ledger, now)


def snapshot(client: Client) -> dict[str, object]:
    """Everything in Redis but what kombu notes of its queues."""
    readers = {
        "string": client.get,
        "hash": client.hgetall,
        "list": lambda key: client.lrange(key, 0, -1),
        "zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        "set": client.smembers,
        "stream": client.xrange,
    }
    ours = [key for key in client.scan_iter() if not key.startswith("_kombu")]
    return {key: readers[client.type(key)](key) for key in ours}


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
    assert shop.dispatcher.commit(batch, "ours") == ["job"]
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
        assert shop.dispatcher.commit(batch, "ours") == ["job"]
    assert shop.ledger.runs("job") == []
    assert caplog.records == []


def test_committing_the_same_batch_a_second_time_pushes_nothing(shop: Shop, client: Client) -> None:
    shop.add()
    batch = shop.due()
    shop.dispatcher.commit(batch, "ours")
    before = snapshot(client)
    assert shop.dispatcher.commit(batch, "ours") == ["job"]
    assert snapshot(client) == before


def test_an_instant_that_comes_up_again_is_not_sent_again(shop: Shop, client: Client, keys: Keys) -> None:
    due = shop.add().due
    shop.commit()
    entry = shop.store.get("job")
    shop.store.write([Write("job", entry, replace(entry, due=due))])
    client.hset(keys.entry("job"), "meta", entries.meta(None, 0))
    shop.commit()
    assert len(sent(client)) == 1


HALF = MINUTE / 2


def test_missed_instants_are_one_row_with_a_count(shop: Shop, now: datetime) -> None:
    shop.add(late=HOUR, catch_up="none")
    shop.commit(at=now - 20 * MINUTE + HALF)
    (row,) = shop.ledger.runs("job")
    assert (row.outcome, row.reason, row.detail, row.count) == ("skipped", "missed", "beat was late", 40)
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
    away = (now - HOUR, now - 40 * MINUTE)
    shop.dispatcher.commit([Due(entry, job, decide(entry, job, now - 20 * MINUTE + HALF, away))], "ours")
    late, down = shop.ledger.runs("job")
    assert (late.detail, late.count) == ("beat was late", 20)
    assert (down.detail[:13], down.count) == ("beat was down", 20)


def test_a_skip_after_a_run_is_a_row_of_its_own(shop: Shop, client: Client) -> None:
    shop.add(overlap="skip")
    shop.tick(0)
    shop.tick(1)
    claim_and_close(shop)
    shop.tick(2)
    assert shop.tick(3) == ["succeeded", "skipped", "queued", "skipped"]


def claim(shop: Shop, which: int = 0) -> Run:
    """The worker takes the run of the message that waits longest."""
    identity = runs_sent(shop.store.client)[which]
    run = Run(identity, "job", 0.0, "running")
    assert shop.ledger.claim(run, "worker", "token") == "claimed"
    return run


def claim_and_close(shop: Shop, which: int = 0) -> None:
    assert shop.ledger.close(claim(shop, which).id, "succeeded", result="3")


def test_overlap_skip_sends_nothing_while_a_run_is_queued_or_running(shop: Shop) -> None:
    shop.add(overlap="skip")
    assert shop.tick(0) == ["queued"]
    assert shop.tick(1) == ["queued", "skipped"]
    claim(shop)
    assert shop.tick(2) == ["running", "skipped"]
    row = shop.ledger.runs("job")[0]
    assert (row.reason, row.detail, row.count) == ("overlap", "the run before had not finished", 2)


def test_overlap_skip_sends_again_once_the_run_has_ended(shop: Shop, client: Client) -> None:
    shop.add(overlap="skip")
    shop.tick(0)
    claim_and_close(shop)
    assert shop.tick(1) == ["succeeded", "queued"]
    assert len(sent(client)) == 2


def test_a_run_that_no_worker_took_in_time_makes_room_and_is_recorded_as_expired(shop: Shop, client: Client) -> None:
    shop.add(overlap="skip", expires="1s")
    shop.tick(0)
    later = time.time() + 2 * 3600
    batch = shop.due(at=from_seconds(later))
    commit_at(shop.dispatcher, batch, later)
    first, *_, last = reversed(shop.ledger.runs("job"))
    assert (first.outcome, first.reason, first.detail) == ("skipped", "expired", "no worker took it")
    assert last.outcome == "queued"


def commit_at(dispatcher: Dispatcher, batch: Sequence[Due], seconds: float) -> None:
    """Commit with the clock at `seconds`."""
    real, time.time = time.time, lambda: seconds
    try:
        dispatcher.commit(batch, "ours")
    finally:
        time.time = real


def test_with_workers_down_at_most_one_run_of_a_schedule_waits(shop: Shop, client: Client) -> None:
    shop.add(overlap="skip")
    for minute in range(100):
        shop.commit(at=shop.now + minute * MINUTE)
    assert len(sent(client)) == 1
    queued, skipped = reversed(shop.ledger.runs("job"))
    assert (queued.outcome, skipped.outcome, skipped.count) == ("queued", "skipped", 99)


def test_overlap_allow_sends_every_run(shop: Shop, client: Client) -> None:
    shop.add(overlap="allow")
    shop.tick(0)
    claim(shop)
    assert shop.tick(1) == ["running", "queued"]
    assert len(sent(client)) == 2


def test_overlap_queue_holds_one_run_back_and_skips_the_rest(shop: Shop, client: Client) -> None:
    shop.add(overlap="queue")
    shop.tick(0)
    shop.tick(1)
    assert shop.tick(2) == ["queued", "queued", "skipped"]
    assert len(sent(client)) == 1


def test_the_run_that_was_held_back_is_pushed_when_the_one_before_ends(shop: Shop, client: Client) -> None:
    shop.add(overlap="queue")
    shop.tick(0)
    shop.tick(1)
    claim_and_close(shop)
    assert len(runs_sent(client)) == 2
    claim_and_close(shop, 1)
    assert shop.outcomes() == ["succeeded", "succeeded"]
    assert len(runs_sent(client)) == 2


def test_a_run_that_was_held_back_is_pushed_as_it_was_built(shop: Shop, client: Client) -> None:
    shop.add(overlap="queue", args=[], kwargs={"message": 'ü/\\"\n\u2028'}, task="scheduler.tasks.fail")
    shop.tick(0)
    shop.tick(1)
    claim_and_close(shop)
    first, second = sent(client)
    assert arguments(second) == arguments(first) == ([], {"message": 'ü/\\"\n\u2028'})
    assert second["headers"].keys() == first["headers"].keys()


def test_the_next_run_waits_behind_the_one_that_was_held_back(shop: Shop, client: Client) -> None:
    shop.add(overlap="queue", expires="1s")
    shop.tick(0)
    shop.tick(1)
    later = time.time() + 2 * 3600
    commit_at(shop.dispatcher, shop.due(at=from_seconds(later)), later)
    assert len(runs_sent(client)) == 2
    assert shop.outcomes()[0] == "skipped"
    assert "queued" in shop.outcomes()[1:]


def test_a_failed_and_a_lost_run_make_room_as_well(shop: Shop) -> None:
    shop.add(overlap="skip")
    shop.tick(0)
    shop.ledger.close(claim(shop).id, "failed")
    shop.tick(1)
    shop.ledger.close(claim(shop, 1).id, "lost")
    assert shop.tick(2) == ["failed", "lost", "queued"]


def test_a_run_that_is_tried_again_still_counts_as_going_on(shop: Shop) -> None:
    shop.add(overlap="skip")
    shop.tick(0)
    shop.ledger.close(claim(shop).id, "queued", until=time.time() + 3600)
    assert shop.tick(1) == ["queued", "skipped"]


def test_the_end_of_a_run_whose_record_was_trimmed_makes_room_too(shop: Shop, client: Client, keys: Keys) -> None:
    shop.add(overlap="skip")
    shop.tick(0)
    run = claim(shop)
    client.hdel(keys.ledger("job"), run.id)
    assert not shop.ledger.close(run.id, "succeeded")
    assert shop.tick(1)[-1] == "queued"


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
    assert (skipped.outcome, skipped.reason, skipped.detail) == ("skipped", "paused", "note")


def test_a_ledger_keeps_the_newest_runs_and_is_bounded(
    celery: Celery, client: Client, keys: Keys, settings: Settings, store: Store, now: datetime
) -> None:
    client.set(keys.lock, "ours")
    few = replace(settings, keep_runs=5)
    shop = Shop(store, Dispatcher(celery, client, keys, few), Ledger(client, keys, few), now)
    shop.add()
    for minute in range(50):
        shop.commit(at=now + minute * MINUTE)
    runs = shop.ledger.runs("job", 1000)
    assert 5 <= len(runs) <= 2 * 5 + 3
    last = shop.store.get("job").last_run_at
    assert last is not None
    assert [run.due for run in runs] == [last.timestamp() - 60 * n for n in range(len(runs))]
    assert client.hlen(keys.ledger("job")) <= 2 * 5 + 3


LASTING = {"schedule", "audit", "file", "revision", "lock"}  # the lock of these tests is set by hand


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
    wrong = Due(broken, job, replace(batch[0].decision))
    before = snapshot(client)
    with pytest.raises(Unsendable) as caught:
        shop.dispatcher.commit([batch[0], wrong, batch[1]], "ours")
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
    assert (row.outcome, row.reason, row.detail) == ("skipped", "no queue", "wrong is no list in Redis")
    with pytest.raises(RefusedChange, match=r"^wrong is no list in Redis: give schedule 'wrong' another queue$"):
        shop.dispatcher.run_now(shop.store.get("wrong"), "ann")


def test_a_queue_that_never_was_a_list_makes_the_entry_unsendable(shop: Shop, client: Client) -> None:
    client.set("taken", "x")
    shop.add(queue="taken")
    with pytest.raises(Unsendable, match="wrong kind of value"):
        shop.commit()


def test_run_now_is_sent_at_once_recorded_as_manual_and_moves_nothing(shop: Shop, client: Client) -> None:
    entry = shop.add()
    identity = shop.dispatcher.run_now(entry, "ann")
    assert identity.startswith("job@manual-")
    assert runs_sent(client) == [identity]
    run = shop.ledger.get(identity)
    assert (run.manual, run.by, run.outcome, run.task_id) == (True, "ann", "queued", task_id(identity))
    assert shop.store.get("job") == entry


def test_run_now_needs_no_leader(shop: Shop, client: Client, keys: Keys) -> None:
    entry = shop.add()
    client.delete(keys.lock)
    assert shop.dispatcher.run_now(entry, "ann")


def test_run_now_of_a_paused_a_disabled_or_a_finished_schedule_runs_it_once(shop: Shop, client: Client) -> None:
    for name, change in {"paused": {"pause": Pause("ann", 0.0)}, "finished": {"due": None}}.items():
        entry = shop.add(name)
        shop.store.write([Write(name, entry, replace(entry, **change))])  # type: ignore[arg-type]
        shop.dispatcher.run_now(shop.store.get(name), "ann")
    shop.dispatcher.run_now(shop.add("disabled", enabled=False), "ann")
    assert len(runs_sent(client)) == 3


def test_run_now_of_a_schedule_that_another_program_saved_works_before_beat_has_seen_it(
    shop: Shop, client: Client, keys: Keys
) -> None:
    definition = {"name": "theirs", "task": TASK, "args": [5, 6], "schedule": {"__type__": "interval", "every": 60.0}}
    client.hset(keys.entry("theirs"), "definition", json.dumps(definition))
    client.zadd(keys.schedule, {keys.entry("theirs"): 1.0})
    shop.dispatcher.run_now(shop.store.get("theirs"), "ann")
    (message,) = sent(client)
    assert arguments(message) == ([5, 6], {})


def test_run_now_works_while_beat_advances_the_schedule(shop: Shop, client: Client) -> None:
    entry = shop.add()
    shop.commit()
    shop.dispatcher.run_now(entry, "ann")
    assert len(sent(client)) == 2


def test_run_now_is_refused_while_the_run_before_goes_on(shop: Shop, client: Client) -> None:
    entry = shop.add(overlap="skip")
    shop.dispatcher.run_now(entry, "ann")
    expected = "the run before of 'job' is still queued or running: wait for it, or set overlap: allow"
    with pytest.raises(RefusedChange) as caught:
        shop.dispatcher.run_now(entry, "ann")
    assert str(caught.value) == expected
    assert len(shop.ledger.runs("job")) == len(sent(client)) == 1


def test_run_now_of_a_schedule_that_was_edited_meanwhile_is_refused(shop: Shop, client: Client) -> None:
    entry = shop.add()
    shop.store.write([Write("job", entry, replace(entry, fields=entry.fields | {"args": [3, 4]}))])
    with pytest.raises(RefusedChange, match="changed at the same time"):
        shop.dispatcher.run_now(entry, "ann")
    assert sent(client) == []


def test_run_now_of_a_damaged_schedule_says_why_not(shop: Shop) -> None:
    with pytest.raises(RefusedChange, match=r"^schedule 'job' cannot be sent: KeyError: 'task'$"):
        shop.dispatcher.run_now(Entry("job", "redbeat", {}), "ann")


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
    assert second == "Skipped 1 × job: the run before had not finished"
