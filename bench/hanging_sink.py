"""Whether a sink that hangs delays runs: ``python -m bench.hanging_sink [--seconds 120] [--server PATH]``.

Two services at the same time on this machine, each a beat with a Redis of its own and the same schedules: the alerts of
one go to a webhook that never answers, those of the other to one that does. In each, schedules fail and recover all
the time. Prints a Markdown table of the time from the due instant to the message in the queue.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import redis

from bench.dispatch import every_run
from bench.senders import private_redis
from bench.worker import ROOT
from scheduler.model import Run, run_id
from scheduler.settings import Settings
from scheduler.storage.client import Client, connect
from scheduler.storage.instants import from_seconds
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.storage.lock import holder
from scheduler.up.redis_server import find_server

SCHEDULES = 100  #: each due every second
FAILING = 20  #: schedules that fail and recover
WARM_UP_S = 15.0


class Side(NamedTuple):
    """One of the two services."""

    name: str
    hangs: bool


SIDES = (Side("a sink that answers", hangs=False), Side("a sink that hangs", hangs=True))


@contextmanager
def sink(*, hangs: bool) -> Iterator[tuple[str, list[float]]]:
    """The address of a webhook, and when it was called."""
    over, called = threading.Event(), list[float]()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            called.append(time.time())
            self.rfile.read(int(self.headers["Content-Length"]))
            if hangs:
                over.wait()
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", called
    finally:
        over.set()
        server.shutdown()


def file_with(address: str) -> str:
    """The schedule file, which is YAML as JSON is."""
    task = {"task": "scheduler.tasks.log_it", "args": [1, 2], "overlap": "allow"}
    schedules = {f"job-{number}": {**task, "every": "1s"} for number in range(SCHEDULES)}
    schedules |= {f"bad-{number}": {**task, "cron": "0 0 1 1 *"} for number in range(FAILING)}
    return json.dumps({"alerts": {"sinks": {"ops": {"webhook": {"url": address}}}}, "schedules": schedules})


@contextmanager
def beat(url: str, address: str, directory: Path) -> Iterator[None]:
    """A beat of this service."""
    (directory / "schedules.yaml").write_text(file_with(address))
    places = {"SCHEDULER_REDIS_URL": url, "SCHEDULER_STATE_DIR": str(directory)}
    process = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "scheduler.celeryapp", "beat", "-lWARNING"],
        cwd=directory,
        env={**os.environ, **places, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def end_one(client: Client, number: int) -> None:
    """A run ends as a worker writes it down: the schedules fail one after the other, then they recover."""
    ledger, due = Ledger(client, Keys(), Settings()), float(int(time.time()))
    name = f"bad-{number % FAILING}"
    run = Run(run_id(name, from_seconds(due)), name, due, "running", task="t")
    ledger.claim(run, "host:1", "token")
    ledger.close(run.id, "succeeded" if number // FAILING % 2 else "failed", token="token")


def lateness(url: str, after: float, before: float) -> list[float]:
    """Milliseconds from the due instant to the queue, of the runs that were due between two moments."""
    client = redis.Redis.from_url(url, decode_responses=True)
    runs = (run for run in every_run(client) if run.id.startswith("job-") and after <= run.due < before)
    return sorted((run.sent - run.due) * 1000 for run in runs)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=120.0)
    options.add_argument("--server", default=find_server(Path()))
    chosen = options.parse_args()
    with ExitStack() as stack:
        urls, clients, calls = [], [], []
        for side in SIDES:
            url = stack.enter_context(private_redis(chosen.server))
            address, called = stack.enter_context(sink(hangs=side.hangs))
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
            stack.enter_context(beat(url, address, directory))
            urls.append(url)
            calls.append(called)
            clients.append(connect(Settings(redis_url=url)))
        while not all(holder(client, Keys()) for client in clients):
            time.sleep(0.1)
        time.sleep(WARM_UP_S)
        began = time.time()
        number = 0
        while time.time() < began + chosen.seconds:
            for client in clients:
                end_one(client, number)
            number += 1
            time.sleep(0.5)
        late = [lateness(url, began, began + chosen.seconds - 5) for url in urls]
    show(late, [len(called) for called in calls], chosen.seconds)


def show(lists: list[list[float]], calls: list[int], took: float) -> None:
    """The table, and the ratio of the medians."""
    print("| alerts go to | calls of the sink | runs | median ms | 99th percentile | most |\n|---|---|---|---|---|---|")
    for side, late, called in zip(SIDES, lists, calls, strict=True):
        p99 = late[len(late) * 99 // 100]
        middle = statistics.median(late)
        print(f"| {side.name} | {called} | {len(late):,} | {middle:.0f} | {p99:.0f} | {late[-1]:.0f} |")
    answers, hangs = map(statistics.median, lists)
    print(f"\nratio of the medians {hangs / answers:.2f}, {took:.0f} s, load {os.getloadavg()[0]:.0f}")


if __name__ == "__main__":
    main()
