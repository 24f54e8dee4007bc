"""A run whose worker stopped answering for it is given up; one whose worker could not reach Redis is not."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import pytest
from celery.app.task import Context
from celery.worker import state

from scheduler.beat.scheduler import Scheduler
from scheduler.model import Run, read_run_id, run_id
from scheduler.sending.headers import RUN_HEADER, task_id
from scheduler.settings import Settings
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.worker.leases import LeaseRenewer
from scheduler.worker.requests import runs_of_this_worker
from tests.support.beats import leading
from tests.support.polling import until
from tests.support.redis_server import RedisServer
from tests.support.redis_server import redis_server as run_redis
from tests.support.schedules import NOON

ID = run_id("job", NOON)


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """One of the test's own, which may die."""
    with run_redis(durable=True) as server:
        yield server


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, run_lease=1.0)


@pytest.fixture(autouse=True)
def _a_run_whose_lease_is_over(ledger: Ledger, client: Client, keys: Keys) -> None:
    ledger.claim(Run(ID, "job", read_run_id(ID)[1], "running", task="t"), "host:1", "token")
    client.zadd(keys.leases, {ID: time.time() - 60})


@pytest.fixture
def request_of_it() -> Iterator[Context]:
    """The run as the worker that is this process knows it."""
    request = Context({RUN_HEADER: ID, "id": task_id(ID), "message": SimpleNamespace(delivery_tag="its tag")})
    state.active_requests.add(request)
    yield request
    state.active_requests.discard(request)


def tick(beat: Scheduler) -> None:
    beat.max_interval = 0.01
    beat.tick()


def is_lost(beat: Scheduler, ledger: Ledger) -> bool:
    """Whether it is, after one more look."""
    tick(beat)
    return ledger.get(ID).outcome == "lost"


def ends(client: Client, keys: Keys) -> float:
    return float(client.zscore(keys.leases, ID))


def test_a_run_that_nobody_answers_for_is_lost_but_not_at_the_first_look(beat: Scheduler, ledger: Ledger) -> None:
    assert not is_lost(beat, ledger)
    until(lambda: is_lost(beat, ledger), 60, "lost")


def test_a_run_that_a_person_asked_to_stop_is_stopped_when_its_worker_dies(beat: Scheduler, ledger: Ledger) -> None:
    assert ledger.stop(ID, "stopped by ann") == "asked"

    def has_ended() -> bool:
        tick(beat)
        return ledger.get(ID).outcome != "running"

    until(has_ended, 60, "given up")
    run = ledger.get(ID)
    assert (run.outcome, run.detail) == ("stopped", "stopped by ann")


def test_time_in_which_redis_was_away_does_not_count_against_a_worker(
    beat: Scheduler, ledger: Ledger, redis_server: RedisServer
) -> None:
    tick(beat)
    patience = leading(beat).lost_runs.patience
    redis_server.kill()
    waited = time.monotonic()
    while time.monotonic() - waited < 2 * patience:
        tick(beat)
    redis_server.start()
    assert not is_lost(beat, ledger)
    until(lambda: is_lost(beat, ledger), 60, "lost")


def test_a_worker_answers_again_soon_after_redis_was_away(
    settings: Settings, redis_server: RedisServer, request_of_it: Context, client: Client, keys: Keys
) -> None:
    renewer = LeaseRenewer(settings)
    at_rest = renewer.renew()
    redis_server.kill()
    assert renewer.renew() <= at_rest / 4
    redis_server.start()
    before = time.time()
    until(lambda: renewer.renew() == at_rest, 60, "Redis is back")
    assert ends(client, keys) > before


def test_a_worker_answers_again_after_redis_did_not_let_it_in(
    settings: Settings, redis_server: RedisServer, request_of_it: Context, client: Client, keys: Keys
) -> None:
    renewer = LeaseRenewer(settings)
    client.config_set("requirepass", "secret")
    assert renewer.renew() < settings.run_lease / 4
    client.config_set("requirepass", "")
    before = time.time()
    renewer.renew()
    assert ends(client, keys) > before


def test_a_worker_answers_for_its_runs_while_it_takes_others(request_of_it: Context) -> None:
    others = [Context() for _ in range(50_000)]
    thread = threading.Thread(target=lambda: [state.active_requests.add(other) for other in others])
    thread.start()
    try:
        while thread.is_alive():
            assert runs_of_this_worker() == [ID]
    finally:
        thread.join()
        state.active_requests.clear()
