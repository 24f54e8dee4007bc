"""A run whose message got lost before a worker claimed it is sent again; one that only waits in its queue is not."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest

from scheduler.beat.scheduler import Scheduler
from scheduler.model import Run, read_run_id
from scheduler.sending.headers import task_id
from scheduler.storage.client import Client
from scheduler.storage.instants import from_seconds
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.storage.store import Store, Write
from tests.support.beats import lead, leading, runs_sent, sent
from tests.support.polling import until
from tests.support.schedules import declared, entry_of


@pytest.fixture(autouse=True)
def _beat_has_no_patience(beat: Scheduler) -> None:
    leading(beat).lost_runs.messages.patience = 0.0


def send(beat: Scheduler, store: Store, name: str = "job", **fields: Any) -> str:
    """The run of a schedule that was due a second ago and is due again much later."""
    fields = {"every": "1h", "overlap": "allow"} | fields
    due = from_seconds(int(time.time()) - 1)
    wanted = declared(name, start=due.isoformat(), **fields)
    store.write([Write(name, None, entry_of(wanted, due=due))])
    before = set(runs_sent(beat.client))
    lead(beat)
    [run_id] = set(runs_sent(beat.client)) - before
    return run_id


def look(beat: Scheduler) -> None:
    """The leader's next look, which would come some seconds later."""
    leading(beat).lost_runs.messages.next_look = 0.0
    lead(beat)


def claim(ledger: Ledger, run_id: str) -> str:
    name, due = read_run_id(run_id)
    return ledger.claim(Run(run_id, name, due, "running", task="reports.build"), "worker", "token")


def test_a_run_that_is_in_no_queue_is_sent_again(beat: Scheduler, store: Store, ledger: Ledger, client: Client) -> None:
    run_id = send(beat, store)
    client.delete("celery")
    look(beat)
    [message] = sent(client)
    assert message["headers"]["id"] == task_id(run_id)
    run = ledger.get(run_id)
    assert (run.outcome, run.detail) == ("queued", "sent again because its message was lost")
    look(beat)
    assert runs_sent(client) == [run_id]
    assert claim(ledger, run_id) == "claimed"


def test_a_run_that_waits_in_its_queue_is_left_there(beat: Scheduler, store: Store, client: Client) -> None:
    waiting = [send(beat, store), send(beat, store, "other")]
    look(beat)
    assert runs_sent(client) == waiting


def test_a_run_that_left_the_queue_before_a_younger_one_is_sent_again(
    beat: Scheduler, store: Store, client: Client
) -> None:
    lost, waiting = send(beat, store), send(beat, store, "other")
    client.rpop("celery")
    look(beat)
    assert runs_sent(client) == [waiting, lost]


def test_nothing_is_told_of_a_queue_in_which_the_message_of_somebody_else_is_next(
    beat: Scheduler, store: Store, client: Client
) -> None:
    send(beat, store)
    client.delete("celery")
    client.rpush("celery", '{"body": "", "headers": {}}')
    look(beat)
    assert client.llen("celery") == 1


def test_a_run_that_a_worker_claimed_is_not_sent_again(
    beat: Scheduler, store: Store, ledger: Ledger, client: Client
) -> None:
    run_id = send(beat, store)
    client.delete("celery")
    assert claim(ledger, run_id) == "claimed"
    look(beat)
    assert runs_sent(client) == []


def test_a_run_is_given_time_between_its_queue_and_its_claim(
    beat: Scheduler, store: Store, ledger: Ledger, client: Client
) -> None:
    leading(beat).lost_runs.messages.patience = 60.0
    send(beat, store)
    client.delete("celery")
    look(beat)
    assert runs_sent(client) == []


def test_a_run_that_expired_meanwhile_is_recorded_as_that(
    beat: Scheduler, store: Store, ledger: Ledger, client: Client
) -> None:
    run_id = send(beat, store, expires="1ms")
    client.delete("celery")
    look(beat)
    run = ledger.get(run_id)
    assert (run.outcome, run.reason) == ("skipped", "expired")
    assert runs_sent(client) == []


def test_a_run_whose_schedule_is_gone_is_recorded_as_lost(
    beat: Scheduler, store: Store, ledger: Ledger, client: Client
) -> None:
    run_id = send(beat, store)
    client.delete("celery")
    store.write([Write("job", store.get("job"), None)])
    look(beat)
    assert ledger.get(run_id).outcome == "lost"


def test_a_run_that_is_tried_again_is_missed_only_after_that(
    beat: Scheduler, store: Store, ledger: Ledger, client: Client
) -> None:
    run_id = send(beat, store, retries=3)
    client.delete("celery")
    assert claim(ledger, run_id) == "claimed"
    ledger.close(run_id, "queued", when=time.time() + 60, until=time.time() + 600)
    look(beat)
    assert runs_sent(client) == []
    ledger.close(run_id, "queued", when=time.time() - 1, until=time.time() + 600)
    look(beat)
    [message] = sent(client)
    assert (message["headers"]["scheduler_run"], message["headers"]["retries"]) == (run_id, 1)


def test_another_beat_that_leads_by_now_is_the_one_to_send_again(
    beat: Scheduler, store: Store, client: Client, keys: Keys
) -> None:
    send(beat, store)
    client.delete("celery")
    client.set(keys.lock, "another beat's")
    assert leading(beat).lost_runs.settle(beat.lease.token) is False
    assert runs_sent(client) == []


def test_the_successor_is_released_when_the_run_before_is_given_up(
    beat: Scheduler, store: Store, ledger: Ledger, client: Client
) -> None:
    leading(beat).lost_runs.messages.patience = 60.0
    first = send(beat, store, overlap="queue", expires="3s")
    client.delete("celery")
    entry = store.get("job")
    due = from_seconds(time.time()) - timedelta(seconds=1)
    store.write([Write("job", entry, entry.with_due(due))])
    lead(beat)
    assert runs_sent(client) == [], "it waits for the first"
    until(lambda: time.time() > ledger.get(first).expires, 10, "the first expires")
    leading(beat).lost_runs.messages.patience = 0.0
    look(beat)
    assert ledger.get(first).outcome == "skipped"
    assert len(runs_sent(client)) == 1
