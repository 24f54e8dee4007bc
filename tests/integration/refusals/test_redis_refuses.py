"""Commands against a real Redis that answers, but refuses: it is waited for, or named with its own remedy."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
from celery import Celery
from celery.exceptions import BackendStoreError
from kombu.asynchronous.hub import Hub
from kombu.asynchronous.timer import Timer
from kombu.connection import Connection
from kombu.entity import Exchange, Queue

from scheduler.cli import common, printing
from scheduler.errors import Exit
from scheduler.sending import message
from scheduler.settings import Settings
from scheduler.storage import entries
from scheduler.storage.client import AWAY, connect
from scheduler.storage.keys import Keys
from scheduler.storage.store import Store
from scheduler.worker.consumer import REPEATING, is_news
from tests.support.busy_redis import meanwhile_busy
from tests.support.meanwhile import meanwhile
from tests.support.polling import until
from tests.support.redis_server import RedisServer
from tests.support.refusals import KINDS, lack_replicas
from tests.support.shell import ROOT, Said, Shell, add


@pytest.fixture(autouse=True)
def job(settings: Settings) -> None:
    """A schedule to act on."""
    with connect(settings) as client:
        add(Store(client, Keys(settings.key_prefix)))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "REFUSAL_WAIT_S", 0.3)


def refused(server: RedisServer, code: str) -> int:
    """How often the server gave that answer."""
    with server.client() as client:
        return int(client.info("errorstats").get(f"errorstat_{code}", {}).get("count", 0))


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("kind", KINDS)
def test_a_refusal_is_named_in_one_line_with_its_own_remedy(shell: Shell, own_redis: RedisServer, kind: str) -> None:
    spoil, meaning, remedy = KINDS[kind]
    spoil(own_redis)
    is_explained(shell("pause", "job"), own_redis, meaning, remedy)


def is_explained(said: Said, server: RedisServer, meaning: str, remedy: str) -> None:
    (line,) = said.err.splitlines()
    assert line.startswith(f"scheduler: Redis at unix://{server.socket} {meaning} (")
    assert f"): {remedy}" in line
    assert said.code == (Exit.CONFIG if "permissions" in line else Exit.UNAVAILABLE)


@pytest.mark.parametrize("command", [("status",), ("list",), ("pause", "job"), ("doctor",)])
def test_a_database_that_redis_does_not_have_is_a_wrong_setting(
    shell: Shell, own_redis: RedisServer, command: tuple[str, ...]
) -> None:
    said = shell.apart(*command, SCHEDULER_REDIS_URL=f"unix://{own_redis.socket}?db=99")
    assert said.code == Exit.CONFIG
    assert said.err.strip().endswith("correct it in SCHEDULER_REDIS_URL, or raise Redis's `databases`")


@pytest.mark.usefixtures("impatient")
def test_a_busy_redis_is_named_as_busy(shell: Shell, own_redis: RedisServer) -> None:
    with meanwhile_busy(own_redis) as free:
        said = shell("pause", "job")
        free()
    is_explained(said, own_redis, "is busy with a Lua script", "wait for the script, or end it")


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        *(("NOREPLICAS", command) for command in ("pause job", "skip job", "apply", "run job")),
        ("READONLY", "pause job"),
        ("MASTERDOWN", "pause job"),
        ("MASTERDOWN", "list"),
    ],
)
def test_a_command_waits_for_a_redis_that_refuses_for_a_while(
    shell: Shell, own_redis: RedisServer, kind: str, command: str
) -> None:
    shell.file("job: {task: scheduler.tasks.log_it, every: 2h, args: [1, 2]}")
    KINDS[kind][0](own_redis)

    def lift() -> None:
        until(lambda: refused(own_redis, kind), 20, "the command was refused")
        with own_redis.client() as client:
            client.config_set("min-replicas-to-write", 0)
            client.replicaof("NO", "ONE")

    with meanwhile(lift):
        said = shell.apart(*command.split()) if command == "run job" else shell(*command.split())
    assert (said.code, said.err) == (Exit.OK, "")


def test_a_command_waits_for_a_redis_that_is_busy(shell: Shell, own_redis: RedisServer) -> None:
    with meanwhile_busy(own_redis) as free:
        timer = threading.Timer(1, free)
        timer.start()
        assert shell("pause", "job").code == Exit.OK
        timer.join()


def test_a_refusal_that_lasts_is_waited_for_as_long_as_the_help_says(shell: Shell, own_redis: RedisServer) -> None:
    lack_replicas(own_redis)
    began = time.monotonic()
    assert shell("pause", "job").code == Exit.UNAVAILABLE
    assert time.monotonic() - began > printing.REFUSAL_WAIT_S - 1
    promise = f"waits up to {printing.REFUSAL_WAIT_S:.0f} s"
    assert f"a command {promise}, and then exits with 69" in " ".join(shell("--help").out.split())
    assert f"A command {promise} for a Redis that refuses for now" in (ROOT / "docs/operations.md").read_text()


def test_a_large_file_that_is_refused_for_a_while_is_loaded_whole(shell: Shell, own_redis: RedisServer) -> None:
    many = [f"s{number}: {{task: scheduler.tasks.log_it, every: 1h, args: [1, 2]}}" for number in range(1200)]
    shell.file(*many)
    lack_replicas(own_redis)

    def lift() -> None:
        until(lambda: refused(own_redis, "NOREPLICAS"), 60, "the command was refused")
        with own_redis.client() as client:
            client.config_set("min-replicas-to-write", 0)

    with meanwhile(lift):
        assert shell("apply").out.splitlines()[-1] == "1200 add"
    with own_redis.client() as client:
        assert client.zcard("redbeat::schedule") == 1201


def test_a_message_that_kombu_cannot_prepare_for_now_is_no_fault_of_its_entry(
    celery: Celery, own_redis: RedisServer, settings: Settings
) -> None:
    lack_replicas(own_redis)
    with connect(settings) as client:
        job = entries.job(Store(client, Keys(settings.key_prefix)).get("job"))
    with pytest.raises(AWAY, match="NOREPLICAS"):
        message.build(celery, job, "job@2026-03-02T12:00:00Z", None)


@contextmanager
def dropping(name: str) -> Iterator[None]:
    """Without what the worker's process drops of this logger."""
    logger = logging.getLogger(name)
    logger.addFilter(is_news)
    try:
        yield
    finally:
        logger.removeFilter(is_news)


def test_kombu_adds_no_traceback_to_a_refusal_which_the_worker_says_in_one_line(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """kombu's timer for queues that expire, such as each worker's own, writes to Redis every few seconds."""
    broker: Any = Connection(own_redis.url)  # type: ignore[no-untyped-call]
    with broker as connection:
        channel = connection.default_channel
        queue: Any = Queue("own", Exchange("own"), expires=3)  # type: ignore[no-untyped-call]
        queue.bind(channel).declare()
        channel.basic_consume("own", no_ack=True, callback=print, consumer_tag="tag")
        cycle = channel.connection.cycle
        lack_replicas(own_redis)
        with dropping(REPEATING[0]):
            cycle.maybe_refresh_binding_expiry()
        assert caplog.text == ""
        cycle.maybe_refresh_binding_expiry()
        assert "NOREPLICAS" in caplog.text


def test_nor_does_its_event_loop_for_a_timer_that_was_refused(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Its look for messages to return takes a lock in Redis first."""
    timer: Any = Timer()  # type: ignore[no-untyped-call]
    hub: Any = Hub(timer=timer)  # type: ignore[no-untyped-call]
    with own_redis.client() as client:
        client.config_set("maxmemory", "1")
        for quiet in (True, False):
            with dropping(REPEATING[1]) if quiet else nullcontext():
                timer.call_after(0, client.set, ("lock", "1"))
                hub.fire_timers()
            assert ("OutOfMemoryError" in caplog.text) is not quiet


def test_nor_does_celery_for_each_attempt_to_store_a_result_while_redis_is_away(
    celery: Celery, own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    celery.conf.update(result_backend=own_redis.url, result_backend_always_retry=True)
    celery.backend.max_retries = 1
    own_redis.stop()
    for quiet in (True, False):
        with dropping(REPEATING[2]) if quiet else nullcontext(), pytest.raises(BackendStoreError):
            celery.backend.store_result("a-call", 1, "SUCCESS")
        assert ("Traceback" in caplog.text) is not quiet
