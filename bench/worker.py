"""A worker beside stock's: ``python -m bench.worker [--runs 4000] [--rounds 3] [--server PATH]``.

The same empty body, as a run of a schedule on this service's worker and as a plain task on Celery's own, in turn on one
append-only Redis, with two processes each, with their results stored and without. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import redis

from bench.senders import Ours, cpu_seconds, private_redis, redis_cpu
from scheduler.storage.client import Client
from scheduler.up.redis_server import find_server

ROOT = Path(__file__).resolve().parent.parent
PROCESSES = 2
WARM_UP = 200
BODY = """
from celery import shared_task


@shared_task(name="bench.empty")
def empty():
    pass
"""
STOCK = """
import os
from celery import Celery

import bench_tasks

place = os.environ["BENCH_REDIS"].replace("unix:", "redis+socket:")
app = Celery("stock", broker=place, backend=place)
"""


class Cost(NamedTuple):
    """What a run costs a worker."""

    rate: float  #: runs a second
    cpu: float  #: µs of the worker and its processes
    redis: float  #: µs of Redis
    commands: float  #: that Redis runs, those of scripts too


class Side:
    """A worker to measure, and what fills its queue."""

    name: str
    app: str

    def __init__(self, url: str, directory: Path) -> None:
        self.url, self.directory = url, directory
        self.client: Client = redis.Redis.from_url(url)
        self.pid = 0

    def fill(self, runs: int, *, results: bool) -> None:
        """Put so many messages into the list ``celery``, which this worker does not take from."""
        raise NotImplementedError

    def measure(self, runs: int, *, results: bool) -> Cost:
        """What a run costs, once the worker is warm."""
        self.client.flushall()
        self.fill(runs + WARM_UP, results=results)
        with self.worker():
            for _ in range(WARM_UP):
                self.client.lmove("celery", "work", "RIGHT", "LEFT")
            self.wait()
            before, began = self.spent(), time.perf_counter()
            self.client.rename("celery", "work")
            self.wait()
            took = time.perf_counter() - began
            spent = (after - at_first for after, at_first in zip(self.spent(), before, strict=True))
            return Cost(runs / took, *(each / runs for each in spent))

    def wait(self) -> None:
        """Return when every run has ended and its message is acknowledged."""
        while self.client.exists("work", "unacked"):
            time.sleep(0.02)

    def spent(self) -> tuple[float, float, float]:
        return cpu_seconds(self.pid) * 1e6, redis_cpu(self.client) * 1e6, self.calls()

    def calls(self) -> int:
        """Commands that Redis has processed, without those by which this bench waits."""
        stats = self.client.info("commandstats")
        return sum(stat["calls"] for name, stat in stats.items() if name not in ("cmdstat_exists", "cmdstat_info"))

    @contextmanager
    def worker(self) -> Iterator[None]:
        options = ["-A", self.app, "worker", f"-c{PROCESSES}", "-lWARNING", "-Qwork"]
        environ = {
            **os.environ,
            "BENCH_REDIS": self.url,
            "SCHEDULER_REDIS_URL": self.url,
            "SCHEDULER_STATE_DIR": str(self.directory),
            "SCHEDULER_IMPORTS": "bench_tasks",
            "PYTHONPATH": f"{self.directory}:{ROOT}",
        }
        log = (self.directory / "worker.log").open("ab")
        started = subprocess.Popen(
            [sys.executable, "-m", "celery", *options], env=environ, cwd=self.directory, stdout=log, stderr=log
        )
        self.pid = started.pid
        try:
            yield
        finally:
            started.terminate()
            started.wait()
            log.close()


class Stock(Side):
    """Celery's own worker with its defaults, and plain calls."""

    name = "Celery's own worker, plain tasks"
    app = "bench_stock"

    def fill(self, runs: int, *, results: bool) -> None:
        app = import_module("bench_stock").app

        with app.connection_for_write() as connection, connection.Producer() as producer:
            for _ in range(runs):
                app.send_task("bench.empty", producer=producer, ignore_result=not results)


class Service(Side):
    """This service's worker, and runs of as many schedules."""

    name = "this service, scheduled runs"
    app = "scheduler.celeryapp"

    def fill(self, runs: int, *, results: bool) -> None:
        keep = {} if results else {"keep_result": "none"}
        sender = Ours(self.url, task="bench.empty", args=[], **keep)
        sender.prepare(runs)
        sender.send()

    def end_to_end(self, runs: int) -> float:
        """Runs a second from due instants to their ends, where beat sends them while the worker works."""
        self.client.flushall()
        sender = Ours(self.url, task="bench.empty", args=[], queue="work")
        with self.worker():
            for _ in range(2):  # the first warms both up
                sender.prepare(runs)
                began = time.perf_counter()
                sender.send()
                self.wait()
            return runs / (time.perf_counter() - began)


def write_modules(url: str, directory: Path) -> None:
    """What the workers import, and this process."""
    (directory / "bench_tasks.py").write_text(BODY)
    (directory / "bench_stock.py").write_text(STOCK)
    sys.path.insert(0, str(directory))
    os.environ["BENCH_REDIS"] = url


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["ours", "stock"])
    parser.add_argument("--server", default=find_server(Path()), help="the Redis or Valkey that both use")
    chosen = parser.parse_args()
    logging.disable(logging.INFO)
    with private_redis(chosen.server) as url, tempfile.TemporaryDirectory(prefix="bench-") as place:
        directory = Path(place)
        write_modules(url, directory)
        sides: list[Side] = [Stock(url, directory), Service(url, directory)]
        print(
            "| worker | results | runs/s | × stock | CPU µs/run, worker | Redis µs/run | Redis commands/run |\n|"
            + "---|" * 7
        )
        for results in (True, False):
            found: dict[str, list[Cost]] = {}
            for _ in range(chosen.rounds):
                for side in sides:
                    found.setdefault(side.name, []).append(side.measure(chosen.runs, results=results))
                    print(side.name, found[side.name][-1], file=sys.stderr)
            stock = statistics.median(cost.rate for cost in found[sides[0].name])
            for name, costs in found.items():
                cost = Cost(*(statistics.median(column) for column in zip(*costs, strict=True)))
                words = "stored" if results else "not stored"
                figures = f"{cost.rate:,.0f} | {cost.rate / stock:.2f} | {cost.cpu:,.0f} | {cost.redis:.0f}"
                print(f"| {name} | {words} | {figures} | {cost.commands:.1f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
