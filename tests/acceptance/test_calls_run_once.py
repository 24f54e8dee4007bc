"""Plain calls, by `delay` and `apply_async`: each runs once while its worker lives, and again if that dies."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scheduler import celeryapp
from scheduler.settings import Settings
from scheduler.storage.client import connect
from tests.support.alive import is_alive
from tests.support.polling import until
from tests.support.redis_server import RedisServer, redis_server
from tests.support.service import Service, service

pytestmark = pytest.mark.xdist_group("calls_run_once")

LEASE_S = 2
TASKS = """
    import os, pathlib
    from celery import shared_task

    try:
        from gevent.monkey import get_original
        sleep = get_original("time", "sleep")  # blocks the whole loop
    except ImportError:
        from time import sleep


    @shared_task(name="plain.nap")
    def nap(word, seconds):
        with pathlib.Path(__file__).with_name("begun").open("a") as file:
            file.write(f"{word}\\n")
        pathlib.Path(__file__).with_name("pid").write_text(str(os.getpid()))
        sleep(seconds)
        with pathlib.Path(__file__).with_name("ended").open("a") as file:
            file.write(f"{word}\\n")
"""


class Shop:
    """A Redis that can be restarted, and a worker that takes no calls, but returns those of the others."""

    def __init__(self, redis: RedisServer, running: Service, directory: Path) -> None:
        self.redis, self.running, self.directory = redis, running, directory
        self.app = celeryapp.build(running.settings)

    def call(self, word: str, seconds: float, queue: str, **options: Any) -> None:
        self.app.send_task("plain.nap", args=[word, seconds], queue=queue, **options)

    def words(self, name: str) -> list[str]:
        file = self.directory / name
        return file.read_text().split() if file.exists() else []

    def left(self) -> list[int]:
        """What Redis keeps of messages under way."""
        with connect(self.running.settings) as client:
            return [client.hlen("unacked"), client.zcard("unacked_index"), client.zcard("unacked_held")]

    def waiting(self, queue: str) -> int:
        with connect(self.running.settings) as client:
            return int(client.llen(queue))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    directory = tmp_path_factory.mktemp("plain")
    (directory / "plain_tasks.py").write_text(textwrap.dedent(TASKS))
    with redis_server(durable=True) as redis:
        settings = Settings(
            redis_url=redis.url, file=directory / "schedules.yaml", state_dir=directory / "state", run_lease=LEASE_S
        )
        environ = {"SCHEDULER_RUN_LEASE": str(LEASE_S), "PYTHONPATH": str(directory)}
        with service(settings, SCHEDULER_IMPORTS="plain_tasks", **environ) as running:
            running.start("worker", "--concurrency=1", "--queues=none", "--hostname=other@%h").says(r" ready\.")
            yield Shop(redis, running, directory)


POOLS = ("prefork", "threads", "solo", "gevent")
TAKES_MORE = ("prefork", "threads")  #: while a body runs; the others are blocked by it here


@pytest.mark.parametrize("pool", POOLS)
def test_a_call_runs_once_however_long_it_takes_and_waits_and_again_when_its_worker_dies(shop: Shop, pool: str) -> None:
    worker = shop.running.start(f"worker{POOLS.index(pool)}", f"--pool={pool}", "--concurrency=2", f"--queues={pool}")
    worker.says(r" ready\.")
    long, delayed, last = f"{pool}-long", f"{pool}-delayed", f"{pool}-last"
    shop.call(long, 3 * LEASE_S, pool)
    until(lambda: long in shop.words("begun"), 30, "the long call runs")
    shop.call(delayed, 0, pool, countdown=3 * LEASE_S)
    # Celery's worker notes a call after it took it: one that Redis gives away while it stops is lost on the way.
    until(lambda: shop.left()[0] == (2 if pool in TAKES_MORE else 1), 30, "the delayed call is taken, or waits")
    shop.redis.stop()
    time.sleep(LEASE_S)  # the leases end meanwhile
    shop.redis.start()
    until(lambda: delayed in shop.words("ended"), 60, "the delayed call ends")
    until(lambda: not any(shop.left()), 30, f"everything is acknowledged: {shop.left()}")
    assert (shop.words("begun").count(long), shop.words("begun").count(delayed)) == (1, 1), worker.output()
    (shop.directory / "pid").unlink()
    shop.call(last, 60, pool)
    until(lambda: last in shop.words("begun"), 30, "the last call runs")
    until(lambda: shop.words("pid"), 10, "its process is known")
    worker.popen.kill()
    until(lambda: not is_alive(int(shop.words("pid")[0])), 10, "the body ends too, since it will run again")
    until(lambda: shop.waiting(pool), 10 + 3 * LEASE_S, "the call is back in its queue")
