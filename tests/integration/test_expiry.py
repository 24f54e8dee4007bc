"""A run that no worker starts in time expires at its expiry, is recorded so, and leaves its queue."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest

from scheduler.beat.scheduler import Scheduler
from scheduler.model import Reason, Run
from scheduler.storage import health
from scheduler.storage.client import Client
from scheduler.storage.instants import from_seconds
from scheduler.storage.ledger import Ledger
from scheduler.storage.store import Store, Write
from tests.support.beats import lead, leading, runs_sent
from tests.support.polling import until
from tests.support.schedules import declared, entry_of


@pytest.fixture(autouse=True)
def _beat_has_no_patience(beat: Scheduler) -> None:
    leading(beat).lost_runs.patience = 0.0


def send(beat: Scheduler, store: Store, ledger: Ledger, late: float = 1.0, **fields: Any) -> Run:
    """The run of a schedule that was due so many seconds ago, and is due again an hour later."""
    due = from_seconds(time.time() - late)
    wanted = declared("job", start=due.isoformat(), **{"every": "1h", **fields})
    store.write([Write("job", None, entry_of(wanted, due=due))])
    lead(beat)
    [run] = ledger.runs("job")
    return run


@pytest.mark.parametrize("overlap", ["skip", "queue", "allow"])
def test_a_run_without_a_worker_expires_at_its_expiry(
    overlap: str, beat: Scheduler, store: Store, ledger: Ledger, client: Client
) -> None:
    run = send(beat, store, ledger, overlap=overlap, expires="3s")
    assert run.expires == run.due + 3
    until(lambda: lead(beat) is not None and ledger.get(run.id).outcome != "queued", 20, "it expires")
    ended = ledger.get(run.id)
    assert (ended.outcome, ended.reason) == ("skipped", "expired")
    assert run.expires <= ended.finished < run.expires + 2
    assert runs_sent(client) == []
    assert client.hget(beat.context.keys.ledger("job"), ":open") in (None, "")
    assert health.stuck(client, beat.context.keys, 10) == {"job": pytest.approx(run.due, abs=1)}


def test_a_run_that_a_worker_claimed_does_not_expire(beat: Scheduler, store: Store, ledger: Ledger) -> None:
    run = send(beat, store, ledger, expires="4s")
    assert ledger.claim(run, "worker", "token") == "claimed"
    until(lambda: time.time() > run.expires + 0.5, 10, "its expiry is over")
    lead(beat)
    assert ledger.get(run.id).outcome == "running"


@pytest.mark.parametrize("reason", [Reason.RATE_LIMITED, Reason.TASK_LACKING])
def test_a_run_that_a_worker_holds_back_still_expires(
    beat: Scheduler, store: Store, ledger: Ledger, client: Client, reason: Reason
) -> None:
    run = send(beat, store, ledger, expires="1h")
    assert ledger.close(run.id, "queued", when=time.time(), until=run.expires, unclaimed=True, reason=reason)
    assert client.zscore(beat.context.keys.leases, run.id) == run.expires


def test_the_run_that_waits_behind_another_expires_too(
    beat: Scheduler, store: Store, ledger: Ledger, client: Client
) -> None:
    first = send(beat, store, ledger, overlap="queue", expires="4s")
    assert ledger.claim(first, "worker", "token") == "claimed"
    entry = store.get("job")
    store.write([Write("job", entry, entry.with_due(from_seconds(first.due) + timedelta(seconds=1)))])
    lead(beat)
    second = ledger.runs("job")[0]
    assert client.hexists(beat.context.keys.ledger("job"), ":waiting")
    ledger.renew([first.id])
    until(lambda: lead(beat) is not None and ledger.get(second.id).outcome == "skipped", 20, "it expires")
    assert not client.hexists(beat.context.keys.ledger("job"), ":waiting")
    assert health.stuck(client, beat.context.keys, 10) == {}, "it never was in a queue"


def test_a_run_on_time_counts_from_its_due_instant_and_one_that_is_caught_up_from_its_sending(
    beat: Scheduler, store: Store, ledger: Ledger
) -> None:
    on_time = send(beat, store, ledger, late=5.0, expires="1m")
    assert on_time.expires == on_time.due + 60
    store.write([Write("job", store.get("job"), None)])
    beat.client.delete(beat.context.keys.ledger("job"))
    caught_up = send(beat, store, ledger, late=50.0, expires="20s")
    assert caught_up.outcome == "queued"
    assert caught_up.expires == pytest.approx(caught_up.sent + 20, abs=2)


def test_messages_of_other_programs_stay_in_the_queue(
    beat: Scheduler, store: Store, ledger: Ledger, client: Client
) -> None:
    run = send(beat, store, ledger, expires="2s")
    client.lpush("celery", '{"body": "", "headers": {}}')
    until(lambda: lead(beat) is not None and ledger.get(run.id).outcome == "skipped", 20, "it expires")
    assert client.lrange("celery", 0, -1) == ['{"body": "", "headers": {}}']
