"""What a process with nothing to do asks Redis: ``python -m bench.idle [--seconds 60] [--server PATH]``.

A beat with three schedules that are due next year, and a worker, each alone on a Redis of its own, this service's and
stock's in turn. Counted is what Redis carries out, within scripts too. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import redis

from bench.senders import private_redis
from bench.worker import ROOT
from scheduler.storage.client import Client
from scheduler.up.redis_server import find_server

FILE = "schedules:\n" + "".join(
    f'  job-{number}: {{task: scheduler.tasks.log_it, cron: "0 0 1 1 *", args: [10, 20]}}\n' for number in range(3)
)
STOCK = """
import os
from celery import Celery
from celery.schedules import crontab

place = os.environ["SCHEDULER_REDIS_URL"]
app = Celery("stock", broker=place.replace("unix:", "redis+socket:"))
yearly = {"task": "x", "schedule": crontab(0, 0, day_of_month=1, month_of_year=1)}
app.conf.update(redbeat_redis_url=place, beat_schedule={f"job-{n}": yearly for n in range(3)}, beat_max_loop_interval=5)
"""
BEAT, WORKER = ("beat", "-lWARNING"), ("worker", "-c1", "-lWARNING")


class Side(NamedTuple):
    """A process of this service or of stock."""

    name: str
    app: str
    options: tuple[str, ...]


SIDES = (
    Side("this service's beat", "scheduler.celeryapp", BEAT),
    Side("RedBeat's beat", "idle_stock", (*BEAT, "-Sredbeat.RedBeatScheduler")),
    Side("this service's worker", "scheduler.celeryapp", WORKER),
    Side("Celery's worker", "idle_stock", WORKER),
)


@contextmanager
def running(side: Side, url: str, directory: Path) -> Iterator[None]:
    """The process, its working directory its own."""
    (directory / "schedules.yaml").write_text(FILE)
    (directory / "idle_stock.py").write_text(STOCK)
    places = {"SCHEDULER_REDIS_URL": url, "SCHEDULER_STATE_DIR": str(directory)}
    environ = {**os.environ, **places, "PYTHONPATH": f"{directory}:{ROOT}"}
    command = [sys.executable, "-m", "celery", "-A", side.app, *side.options]
    process = subprocess.Popen(
        command, cwd=directory, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def calls(client: Client) -> dict[str, int]:
    """How often Redis carried out each command."""
    stats = client.info("commandstats")
    return {name.removeprefix("cmdstat_"): stat["calls"] for name, stat in stats.items() if name != "cmdstat_info"}


def commands(side: Side, server: str, seconds: float, warm_up: float = 30.0) -> dict[str, float]:
    """Each command, and how often a second, after what the process does at its start."""
    with private_redis(server) as url, tempfile.TemporaryDirectory(prefix="bench-") as name:
        client = redis.Redis.from_url(url)
        with running(side, url, Path(name)):
            while sum(calls(client).values()) < 20:
                time.sleep(0.1)
            time.sleep(warm_up)
            before, began = calls(client), time.monotonic()
            time.sleep(seconds)
            took, after = time.monotonic() - began, calls(client)
            return {
                key: (count - before.get(key, 0)) / took for key, count in after.items() if count > before.get(key, 0)
            }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--server", default=find_server(Path()))
    chosen = parser.parse_args()
    print("| process | Redis commands/s | of these |\n|---|---|---|")
    for side in SIDES:
        found = sorted(commands(side, chosen.server, chosen.seconds).items(), key=lambda it: -it[1])
        shown = ", ".join(f"`{name}` {rate:.2f}" for name, rate in found)
        print(f"| {side.name} | {sum(rate for _, rate in found):.2f} | {shown} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
