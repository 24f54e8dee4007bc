"""What Celery stores of a run that succeeded: as its own backend would, and in one step with the end of its body."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from celery import Celery, Task
from celery.app.task import Context
from celery.backends import redis as celery_redis
from celery.result import AsyncResult

from scheduler.celeryapp import build
from scheduler.model import Run, run_id
from scheduler.sending.headers import RUN_HEADER, task_id
from scheduler.settings import Settings
from scheduler.storage.client import Client
from scheduler.storage.ledger import Ledger
from scheduler.worker.recorded_task import RecordedTask
from tests.support.polling import until
from tests.support.schedules import NOON

pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex")  # which Celery uses

ID = run_id("job", NOON)
KEY = f"celery-task-meta-{task_id(ID)}"


@pytest.fixture
def app(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Celery]:
    made = build(settings)
    monkeypatch.setattr(made, "now", lambda: datetime(2026, 11, 29, 12, tzinfo=UTC))
    yield made
    made.close()


@pytest.fixture
def request_of_run(ledger: Ledger) -> Context:
    run = Run(ID, "job", NOON.timestamp(), "running", task="t", task_id=task_id(ID))
    assert ledger.claim(run, "host:1", "token") == "claimed"
    sent = {"id": run.task_id, "task": "t", "args": [1], "kwargs": {"b": 2}, "headers": {RUN_HEADER: ID}, "retries": 0}
    return Context(
        sent, hostname="w@h", delivery_info={"routing_key": "celery"}, claim_token="token", scheduler_has_returned=True
    )


@pytest.mark.parametrize("returned", [None, 3, {"status": "SUCCESS"}, 'ü\n"x"', [1.5, {"a": None}]], ids=repr)
def test_the_result_of_a_run_is_byte_for_byte_what_celery_writes_and_is_told_to_who_waits(
    app: Celery, client: Client, ledger: Ledger, request_of_run: Context, returned: Any
) -> None:
    theirs: Any = celery_redis.RedisBackend(app=app, url=app.conf.result_backend.partition("+")[2])
    theirs.store_result(request_of_run.id, returned, "SUCCESS", request=request_of_run)
    wanted = client.get(KEY)
    client.delete(KEY)
    with client.pubsub() as listener:
        listener.subscribe(KEY)
        until(lambda: listener.get_message(timeout=1), 10, "the subscription stands")
        app.backend.store_result(request_of_run.id, returned, "SUCCESS", request=request_of_run)
        told = until(lambda: listener.get_message(timeout=1), 10, "who waits is told")
    assert client.get(KEY) == wanted == told["data"]
    assert client.ttl(KEY) == 3600
    assert ledger.get(ID).outcome == "succeeded"


def test_a_run_ends_in_the_step_that_stores_its_result(
    app: Celery, client: Client, ledger: Ledger, request_of_run: Context
) -> None:
    client.config_resetstat()
    app.backend.store_result(request_of_run.id, AsyncResult("other"), "SUCCESS", request=request_of_run)
    assert ledger.get(ID).result == "<AsyncResult: other>"
    assert not client.info("commandstats").get("cmdstat_exec")
    app.scheduler_recorder.close(request_of_run, "failed", result="as Celery's signal would, if it came")
    assert ledger.get(ID).outcome == "succeeded"


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_first_success_stays_whatever_comes_later(
    app: Celery, client: Client, request_of_run: Context, compression: str | None
) -> None:
    app.conf.result_compression = compression
    app.backend.store_result(request_of_run.id, 1, "SUCCESS", request=request_of_run)
    stored = client.get(KEY)
    app.backend.store_result(request_of_run.id, 2, "SUCCESS", request=request_of_run)
    assert client.get(KEY) == stored


def test_a_run_that_was_given_up_and_ran_elsewhere_has_its_result_all_the_same(
    app: Celery, client: Client, ledger: Ledger, request_of_run: Context
) -> None:
    assert ledger.close(ID, "failed")
    app.backend.store_result(request_of_run.id, 1, "SUCCESS", request=request_of_run)
    assert client.exists(KEY)
    assert ledger.get(ID).outcome == "failed"


def delivered(app: Celery, body: Callable[..., Any]) -> Any:
    """A task with this body, as a worker calls it for the run."""
    app.task(body, name="t", bind=True, shared=False)
    task = app.tasks["t"]
    RecordedTask.record(task, app.scheduler_recorder)
    headers = {RUN_HEADER: ID}
    task.push_request(id=task_id(ID), task="t", headers=headers, delivery_info={}, called_directly=False)
    return task


def test_a_body_that_calls_its_own_task_gets_what_that_returns(app: Celery, ledger: Ledger) -> None:
    def body(task: Task, number: int) -> list[int]:
        return [number, *task(number - 1)] if number else []

    task = delivered(app, body)
    assert task(3) == [3, 2, 1]
    assert (ledger.get(ID).outcome, ledger.get(ID).attempt) == ("running", 1)


@pytest.mark.parametrize("whose", [None, "another-task"], ids=["its own", "another's"])
def test_a_body_that_stores_a_success_goes_on_and_its_run_ends_with_it(
    app: Celery, ledger: Ledger, whose: str | None
) -> None:
    def body(task: Task) -> str:
        task.update_state(whose, state="SUCCESS", meta="half")
        return ledger.get(ID).outcome

    task = delivered(app, body)
    assert task() == "running"
    app.backend.mark_as_done(task_id(ID), "all", task.request)
    assert (ledger.get(ID).outcome, ledger.get(ID).result) == ("succeeded", '"all"')


def test_a_result_that_is_kept_elsewhere_goes_there_and_the_run_ends_by_its_signal(
    settings: Settings, client: Client, ledger: Ledger, request_of_run: Context
) -> None:
    elsewhere = settings.place.celery()["result_backend"].replace("virtual_host=0", "virtual_host=1")
    app = build(settings)
    app.conf.result_backend = elsewhere
    app.backend.store_result(request_of_run.id, 1, "SUCCESS", request=request_of_run)
    assert not client.exists(KEY)
    assert ledger.get(ID).outcome == "running"
    app.scheduler_recorder.close(request_of_run, "succeeded", result="1")
    assert ledger.get(ID).outcome == "succeeded"
