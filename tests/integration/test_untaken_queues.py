"""A queue that no worker takes from is named before a run waits in it: calls wait there, or schedules will send."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import time_machine
from celery import Celery

from scheduler.alerts.alert import Alert
from scheduler.beat.alerts import Look
from scheduler.changes import pauses
from scheduler.settings import Settings
from scheduler.status.growing import READINGS
from scheduler.status.problems import queues
from scheduler.status.problems.facts import Facts
from scheduler.status.problems.problem import ServiceProblem
from scheduler.storage.client import Client
from scheduler.storage.instants import from_seconds
from scheduler.storage.keys import Keys
from scheduler.storage.store import Store, Write
from scheduler.storage.workers import Worker, leave, report
from scheduler.worker.backlog import Backlog
from tests.support.beats import lead, running_beat, write_file
from tests.support.schedules import HOUR, declared, entry_of
from tests.support.workers import seem_to_work

Found = Callable[[], list[ServiceProblem]]
FILE = """
schedules:
  nightly: {task: scheduler.tasks.log_it, args: [1, 2], cron: 30 2 * * *, queue: reports}
  weekly: {task: scheduler.tasks.log_it, args: [1, 2], cron: 0 0 * * 0, queue: reports}
  off: {task: scheduler.tasks.log_it, args: [1, 2], every: 1h, queue: unused, enabled: false}
  over: {task: scheduler.tasks.log_it, args: [1, 2], at: 2001-01-01T00:00Z, queue: past}
  hourly: {task: scheduler.tasks.log_it, args: [1, 2], every: 1h}
"""


@pytest.fixture(autouse=True)
def _a_worker(client: Client, keys: Keys) -> None:
    seem_to_work(client, keys, every=3600.0)


@pytest.fixture
def found(store: Store, settings: Settings) -> Found:
    return lambda: list(queues.look(Facts(store, settings)))


@pytest.fixture
def left(client: Client, keys: Keys) -> float:
    """When the worker of the queue `mail` left, some minutes ago."""
    at = time.time() - 300
    with time_machine.travel(at, tick=False):
        seem_to_work(client, keys, "celery@mail", queues=("mail",))
    leave(client, keys, "celery@mail")
    return at


def call(celery: Celery, count: int = 1, **options: Any) -> None:
    for _ in range(count):
        celery.send_task("shop.tell", **options)


def test_plain_calls_in_a_queue_that_its_worker_left_are_a_problem_until_one_takes_from_it(
    celery: Celery, found: Found, client: Client, keys: Keys, settings: Settings, store: Store, left: float
) -> None:
    assert found() == [], "nothing waits"
    call(celery, 3, queue="mail")
    call(celery, 2, queue="mail", priority=9)
    (problem,) = found()
    assert problem.sentence == "No worker takes from queue 'mail', where 5 messages wait"
    assert problem.since == pytest.approx(left, abs=1)
    assert "-Q mail" in problem.remedy
    elsewhere = replace(settings, broker="amqp://localhost")
    assert list(queues.look(Facts(store, elsewhere))) == [], "a list of that name is none of RabbitMQ's"
    seem_to_work(client, keys, "celery@mail", queues=("mail",))
    assert found() == []
    leave(client, keys, "celery@mail")
    assert found() == [], "it may be about to start again"


def test_a_queue_without_a_worker_is_named_before_the_schedules_that_use_it_are_due(
    celery: Celery, found: Found, settings: Settings, store: Store, client: Client, keys: Keys
) -> None:
    write_file(settings, FILE)
    with running_beat(celery) as beat:
        lead(beat)
        assert found() == [], "its worker may still be starting"
        client.hset(keys.leader, "since", time.time() - 61)
        (problem,) = found()
    assert problem.sentence == "No worker takes from queue 'reports', which 2 schedules use, such as 'nightly'"
    assert "-Q reports" in problem.remedy
    pauses.pause(store, "nightly", by="ops")
    assert [it.sentence for it in found()] == ["No worker takes from queue 'reports', which schedule 'weekly' uses"]
    pauses.pause(store, "weekly", by="ops")
    assert found() == []
    seem_to_work(client, keys, queues=("reports",), every=3600.0)
    assert found() == [], "the worker of the queue `celery` left just now"
    client.zadd(keys.taken, {"celery": time.time() - 60})
    assert [it.sentence for it in found()] == ["No worker takes from queue 'celery', which schedule 'hourly' uses"]
    seem_to_work(client, keys, "celery@default", every=3600.0)
    assert found() == []


def test_a_queue_that_grows_by_plain_calls_is_named_by_what_its_worker_read(
    celery: Celery, found: Found, client: Client, keys: Keys
) -> None:
    backlog, queues_of_it = Backlog(), ("mail",)
    for number in range(READINGS + 2):
        call(celery, 4 if number > 1 else 0, queue="mail", priority=9)
        backlog.read_at = float("-inf")  # a minute passes
        readings = backlog.read(client, queues_of_it)
    assert backlog.read(client, queues_of_it) == readings, "no other before the next minute"
    assert len(readings["mail"]) == READINGS
    worker = Worker("celery@mail", time.time(), 3600.0, queues_of_it, backlog=readings)
    report(client, keys, worker)
    (problem,) = found()
    assert problem.sentence == "Queue 'mail' keeps growing: 120 messages wait, 4 half an hour ago"
    client.sadd(keys.queues, "mail")
    client.zadd(keys.sent("mail"), {"job@2001-01-01T00:00:00Z": time.time() - 400})
    assert [it.sentence for it in found()] == ["In queue 'mail', a run waits too long"], "one line for a queue"


def test_an_alert_tells_of_a_queue_once_whatever_comes_to_wait_in_it(
    celery: Celery, client: Client, keys: Keys, settings: Settings, left: float
) -> None:
    client.hset(keys.file, "alerts", json.dumps({"sinks": {"ops": {"ops": {}}}}))
    client.hset(keys.file, "queues", json.dumps({"reports": [1, ["gone"]]}))
    client.set(keys.lock, "the leader")
    look = Look(client, settings, keys, "the leader")

    def looks_for_a_while() -> list[str]:
        for seconds in (1, 11, 22, 33):
            with time_machine.travel(time.time() + seconds, tick=False):
                look.problems_at = float("-inf")
                look.look()
        told = [Alert.from_json(text) for text in client.lrange(keys.alert_outbox("ops"), 0, -1)]
        return [f"{it.event} {it.reason}" for it in told if it.subject == "mail"]

    call(celery, queue="mail")
    first = "problem No worker takes from queue 'mail', where a message waits"
    assert looks_for_a_while() == [first]
    call(celery, 4, queue="mail")
    assert looks_for_a_while() == [first]
    seem_to_work(client, keys, "celery@mail", queues=("mail",), every=3600.0)
    assert [it.split()[0] for it in looks_for_a_while()] == ["problem", "recovered"]


def test_a_look_reads_no_more_of_a_queue_that_many_schedules_use(
    found: Found, client: Client, keys: Keys, store: Store
) -> None:
    later = from_seconds(time.time()) + HOUR
    job = declared("job-0", task="scheduler.tasks.log_it", args=[1, 2], every="1h")
    store.write([Write(job.name, None, entry_of(job, "admin", now=later))])

    def commands(count: int) -> int:
        users = {f"queue-{number}": [count, [f"job-{n}" for n in range(10)]] for number in range(150)}
        client.hset(keys.file, "queues", json.dumps(users))
        before = client.info()["total_commands_processed"]
        found()
        return int(client.info()["total_commands_processed"] - before)

    assert commands(100_000) == commands(10) < 1000
