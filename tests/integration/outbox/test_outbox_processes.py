"""Real beats, workers and brokers: whatever is killed in between, a worker runs the body of each run once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from celery import Celery
from kombu.connection import Connection

from scheduler import changes
from scheduler.beat.scheduler import Scheduler
from scheduler.sending.dispatch import Dispatcher
from scheduler.settings import Settings
from scheduler.storage import lock
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.storage.store import Store
from tests.integration.outbox.conftest import FallDue
from tests.support import oddities
from tests.support.beats import lead, leads
from tests.support.brokers import Broker, Rabbit
from tests.support.polling import until

pytestmark = pytest.mark.xdist_group("brokers")

ROOT = Path(__file__).resolve().parents[3]
BODIES = """
from pathlib import Path
from random import Random
from typing import Any
from celery import shared_task

@shared_task(name="bodies.note", bind=True)
def note(self):
    with Path(__file__).with_name("ran").open("a") as ran:
        ran.write(self.request.scheduler_run + "\\n")
"""
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(settings: Settings, tmp_path: Path) -> Iterator[Start]:
    """Start `celery` with these arguments; ``faults`` are those of ``scheduler.faults``."""
    (tmp_path / "bodies.py").write_text(BODIES)
    settings.file.write_text("schedules: {}\n")
    environ = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}",
        "SCHEDULER_REDIS_URL": settings.redis_url,
        "SCHEDULER_BROKER_URL": settings.broker,
        "SCHEDULER_IMPORTS": "bodies",
        "SCHEDULER_FILE": str(settings.file),
        "SCHEDULER_LEASE": str(settings.lease),
        "SCHEDULER_MAX_INTERVAL": str(settings.max_interval),
        "SCHEDULER_RUN_LEASE": "2",
    }
    started = []

    def run(*arguments: str, faults: str = "") -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "celery", "-A", "scheduler.celeryapp", *arguments]
        with (tmp_path / "log").open("ab") as log:
            process = subprocess.Popen(
                command, env=environ | {"SCHEDULER_FAULTS": faults}, cwd=tmp_path, stdout=log, stderr=log
            )
        started.append(process)
        return process

    yield run
    for process in started:
        process.terminate()
    for process in started:
        process.wait(60)


def worker(start: Start) -> subprocess.Popen[bytes]:
    options = ("--concurrency", "2", "--without-mingle", "--without-gossip", "--loglevel", "INFO")
    return start("worker", *options)


def ran(tmp_path: Path) -> Counter[str]:
    """How often the body of each run was executed, counted outside of Redis."""
    noted = tmp_path / "ran"
    return Counter(noted.read_text().split() if noted.exists() else ())


def finished(ledger: Ledger, name: str, count: int) -> bool:
    return [run.outcome for run in ledger.runs(name)] == ["succeeded"] * count


def test_beat_and_worker_meet_over_the_broker_and_every_run_runs_once(
    start: Start,
    celery: Celery,
    settings: Settings,
    store: Store,
    ledger: Ledger,
    client: Client,
    keys: Keys,
    tmp_path: Path,
) -> None:
    worker(start)
    start("beat")
    until(lambda: lock.holder(client, keys), 60, "beat leads")
    fields = {"task": "bodies.note", "every": "1s", "overlap": "allow", "catch_up": "all", "max_runs": 5}
    changes.create(store, "job", fields, tasks=None, by="test")
    until(lambda: finished(ledger, "job", 5), 60, "five runs succeed")
    changes.create(store, "rare", {"task": "bodies.note", "every": "1d"}, tasks=None, by="test")
    manual = Dispatcher(celery, client, keys, settings).run_now(store.get("rare"), "somebody")
    until(lambda: finished(ledger, "rare", 1), 60, "the manual run succeeds")
    run = ledger.get(manual)
    assert ran(tmp_path) == {run.id: 1 for run in [*ledger.runs("job"), run]}


@pytest.mark.parametrize("point", ["before_publish", "after_publish", "after_take_out"])
def test_a_run_of_a_beat_that_died_on_the_way_to_the_broker_is_finished_by_the_next(
    point: str, start: Start, beat: Scheduler, broker: Broker, fall_due: FallDue, ledger: Ledger, tmp_path: Path
) -> None:
    dying = start("beat", faults=f"outbox.{point}:kill")
    fall_due("job", instants=3)
    assert dying.wait(60) == -signal.SIGKILL
    until(lambda: leads(beat), 60, "the lease of the dead beat is over")
    lead(beat)
    worker(start)
    until(lambda: finished(ledger, "job", 3), 60, "the runs succeed")
    lead(beat)
    until(lambda: not broker.waiting(), 60, "no message is left")
    assert ran(tmp_path) == {run.id: 1 for run in ledger.runs("job")}
    assert [run.attempt for run in ledger.runs("job")] == [1, 1, 1]


def test_a_schedule_whose_message_the_broker_lost_runs_again_within_seconds(
    start: Start, broker: Broker, store: Store, ledger: Ledger, tmp_path: Path
) -> None:
    start("beat")
    changes.create(store, "job", {"task": "bodies.note", "every": "1s", "expires": "1h"}, tasks=None, by="test")
    first = until(lambda: [run for run in ledger.runs("job") if run.queue == "celery"], 60, "the first run waits")[0]
    broker.clear()
    worker(start)
    until(lambda: ledger.get(first.id).outcome == "succeeded", 60, "it ran")
    until(lambda: sum(run.outcome == "succeeded" for run in ledger.runs("job")) > 2, 60, "the schedule goes on")
    assert set(ran(tmp_path).values()) == {1}


def test_a_run_that_was_published_twice_is_in_the_broker_twice(
    start: Start, beat: Scheduler, broker: Broker, fall_due: FallDue, ledger: Ledger
) -> None:
    dying = start("beat", faults="outbox.after_publish:kill")
    fall_due("job")
    assert dying.wait(60) == -signal.SIGKILL
    until(lambda: leads(beat), 60, "the lease of the dead beat is over")
    lead(beat)
    [run] = ledger.runs("job")
    assert [message.run for message in broker.take()] == [run.id, run.id]


def test_beats_that_are_killed_again_and_again_lose_and_double_nothing(
    start: Start, broker: Broker, store: Store, ledger: Ledger, client: Client, keys: Keys, tmp_path: Path
) -> None:
    worker(start)
    names = [f"job-{number}" for number in range(20)]
    for name in names:
        fields = {"task": "bodies.note", "every": "1s", "overlap": "allow", "catch_up": "all", "expires": "1h"}
        changes.create(store, name, fields | {"max_runs": 15}, tasks=None, by="test")
    for kill_at in (20, 80, 140, 200):
        beat = start("beat")
        until(lambda at=kill_at: sum(ran(tmp_path).values()) > at, 60, "runs go out")  # type: ignore[misc]
        beat.kill()
        beat.wait()
        client.delete(keys.lock)
    start("beat")
    until(lambda: all(finished(ledger, name, 15) for name in names), 120, "every run succeeds")
    assert ran(tmp_path) == {run.id: 1 for name in names for run in ledger.runs(name)}


def test_a_worker_that_is_connected_survives_a_restart_of_the_broker(
    start: Start, beat: Scheduler, broker: Broker, fall_due: FallDue, ledger: Ledger, tmp_path: Path
) -> None:
    worker(start)
    fall_due("before")
    until(lambda: lead(beat) is not None and finished(ledger, "before", 1), 60, "the first run succeeds")
    broker.stop()
    fall_due("after", instants=3)
    lead(beat)
    broker.start()
    until(lambda: lead(beat) is not None and finished(ledger, "after", 3), 60, "the others succeed")
    assert set(ran(tmp_path).values()) == {1}


ONLY_RABBIT = pytest.mark.parametrize("running_broker", [Rabbit], ids=["rabbitmq"], indirect=True)


def publish_oddity(url: str, random: Random) -> bool:
    """Something odd in the headers, the body or the content type of a plain call; False where RabbitMQ refuses it."""
    good = {"task": "bodies.note", "id": "x", "retries": 0, "timelimit": [None, None]}
    headers, body = oddities.mutated(random, good), [[], {}, {"callbacks": None, "chain": None}]
    body = body if random.random() < 0.5 else oddities.mutated(random, body)
    text = json.dumps(body) if random.random() < 0.9 else "{"
    kinds = ("application/json", "application/json", "application/x-python-serialize", "x")
    connection: Any = Connection(url)  # type: ignore[no-untyped-call]
    try:
        with connection, connection.Producer() as producer:
            producer.publish(
                text,
                routing_key="celery",
                headers=headers if isinstance(headers, dict) else {},
                content_type=random.choice(kinds),
                content_encoding="utf-8",
            )
            return True
    except Exception:  # RabbitMQ closes a connection with such a header, and kombu raises errors of any kind before
        return False


@ONLY_RABBIT  # tests/acceptance/test_any_message.py does the same with a Redis
def test_a_worker_survives_whatever_is_in_its_queue_of_rabbitmq(
    start: Start, settings: Settings, store: Store, ledger: Ledger, broker: Broker, client: Client, keys: Keys
) -> None:
    random = Random(11)
    process = worker(start)
    start("beat")
    # What falls due before the beat leads runs too, instead of being a row of its own.
    fields = {"task": "bodies.note", "every": "1s", "overlap": "allow", "catch_up": "all", "max_runs": 1}
    changes.create(store, "before", fields, tasks=None, by="test")
    until(lambda: finished(ledger, "before", 1), 60, "there is a queue: RabbitMQ drops what is published to none")
    published = sum(publish_oddity(settings.broker, random) for _ in range(200))
    changes.create(store, "after", fields, tasks=None, by="test")
    until(lambda: finished(ledger, "after", 1), 60, "a run succeeds")
    until(lambda: not broker.waiting(), 60, "no message is left")
    assert process.poll() is None
    assert int(client.get(f"{keys.notice('messages')}:count")) > published * 0.8 > 150
