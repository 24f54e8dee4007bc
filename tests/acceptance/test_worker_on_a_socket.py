"""A real worker over a Redis on a unix socket: what used to end its process is waited for."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from scheduler.settings import Settings
from scheduler.storage.client import NotNow, connect
from tests.support.polling import until
from tests.support.redis_server import RedisServer, redis_server
from tests.support.service import Program, service
from tests.support.worker import Shop, open_shop


@dataclass
class Rig:
    server: RedisServer
    worker: Program
    shop: Shop

    def still_runs(self) -> None:
        """The same process takes a run and ends it."""
        assert self.shop.run("scheduler.tasks.log_it", 1, 2).outcome == "succeeded"
        assert self.worker.popen.poll() is None
        assert self.worker.count("Unrecoverable|AttributeError") == 0, self.worker.output()
        # In the pool's children Celery itself logs each connection that broke with a traceback.
        records = re.split(r"^(?=\[\d{4}-)", self.worker.output(), flags=re.MULTILINE)
        assert not [it for it in records if "Traceback" in it and "ForkPoolWorker" not in it], self.worker.output()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with redis_server(durable=True) as server:
        settings = Settings(redis_url=server.url, file=tmp_path / "schedules.yaml", state_dir=tmp_path / "state")
        with service(settings) as running:
            worker = running.start("worker", "--concurrency=2")
            worker.says(r" ready\.")
            with open_shop(running, worker, tmp_path) as shop:
                yield Rig(server, worker, shop)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_redis_that_ends_as_the_worker_returns_a_message_does_not_end_the_worker(
    rig: Rig, how: signal.Signals
) -> None:
    run = rig.shop.send("scheduler.tasks.count_to", 1, 30)
    until(lambda: rig.shop.ledger.get(run).outcome == "running", 30, "the worker holds a message")
    # The worker notices the lost subscription first, closes its channels, and waits up to a second for its BRPOP:
    # Redis ends before the message of the run has returned to its queue.
    rig.shop.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    (rig.server.stop if how == signal.SIGTERM else rig.server.kill)()
    rig.worker.says("Waiting for Redis")
    rig.server.start()
    rig.worker.says("Redis answers again")
    rig.still_runs()


def test_a_worker_asks_other_workers_at_its_start_and_not_when_redis_is_back(rig: Rig) -> None:
    rig.server.stop()
    rig.server.start()
    rig.worker.says("Redis answers again")
    assert rig.worker.count("mingle: searching for neighbors") == 1
    rig.still_runs()


def test_a_full_disk_under_redis_is_waited_for(rig: Rig) -> None:
    rig.server.fail_to_save()
    with connect(rig.shop.running.settings) as client, pytest.raises(NotNow, match="unable to persist"):
        client.set("a key", "1")
    rig.worker.says("Waiting for Redis")
    time.sleep(3)  # longer than the worker's pause between two attempts
    assert rig.worker.popen.poll() is None
    rig.server.save_nothing()
    rig.worker.says("Redis answers again")
    rig.still_runs()
