"""A backfill that is killed ten times: ``python bench/interrupted.py [--instants N] [--server PATH]``.

`kill -9` takes beat, or the worker with its processes, in turn, and another one is started. Each body writes its due
instant into a file, outside Redis. Prints how many due instants there were, how often the bodies of each started, and
how the backfill counts their ends. Ends with 1 if one started twice, or the end of one is not counted.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from bench.output import ROOT, Bench, program
from scheduler.changes import backfills
from scheduler.model import Entry
from scheduler.storage.backfills import Backfills
from scheduler.storage.instants import from_seconds
from scheduler.storage.store import Write

NAME = "job"
AT_ONCE = 100
KILLS = 10
TASKS = """
import os
from celery import shared_task

PLACE = os.path.join(os.path.dirname(__file__), "started")


@shared_task(name="bench.note")
def note(due):
    place = os.open(PLACE, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(place, f"{due}\\n".encode())
    os.close(place)
"""


class Host:
    """A beat and a worker, each in a process group of its own."""

    def __init__(self, bench: Bench) -> None:
        self.environ = {
            **os.environ,
            "SCHEDULER_REDIS_URL": bench.settings.redis_url,
            "SCHEDULER_STATE_DIR": str(bench.directory),
            "SCHEDULER_FILE": str(bench.directory / "schedules.yaml"),
            "SCHEDULER_IMPORTS": "bench_tasks",
            "SCHEDULER_LEASE": "3",
            "SCHEDULER_MAX_INTERVAL": "1",
            "SCHEDULER_RUN_LEASE": "2",
            "PYTHONPATH": str(bench.directory),
        }
        self.programs = {"beat": self.start("beat"), "worker": self.start("worker", "-c2")}

    def start(self, name: str, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "celery", "-A", "scheduler.celeryapp", name, "-lWARNING", *options]
        log = self.environ["SCHEDULER_STATE_DIR"] + f"/{name}.log"
        with Path(log).open("ab") as file:
            return subprocess.Popen(
                [*command, f"--pidfile={log}.pid"],
                env=self.environ,
                cwd=ROOT,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """All processes of it, at once."""
        with suppress(ProcessLookupError):
            os.killpg(self.programs[name].pid, signal.SIGKILL)
        self.programs[name].wait()

    def replace(self, name: str) -> None:
        self.kill(name)
        self.programs[name] = self.start(name, *(["-c2"] if name == "worker" else []))


def begin(bench: Bench, instants: int) -> int:
    """A backfill of so many minutes; returns how many due instants it has."""
    (bench.directory / "schedules.yaml").write_text("schedules: {}\n")
    now = from_seconds(time.time() // 60 * 60)
    fields = {"task": "bench.note", "every": "1m", "overlap": "skip", "kwargs": {"due": "${due}"}}
    due = now + timedelta(days=1)
    bench.store.write([Write(NAME, None, Entry(NAME, "admin", fields, {}, due=due))])
    first, last = now - instants * timedelta(minutes=1), now - timedelta(minutes=1)
    plan = backfills.plan(bench.store, bench.ledger, NAME, first, last, "missed", AT_ONCE, "bench")
    backfills.begin(bench.store, plan)
    return len(plan.runs)


def measure(bench: Bench, instants: int) -> bool:
    """Whether each started once at most, and each end is counted."""
    total, began = begin(bench, instants), time.monotonic()
    stored = Backfills(bench.client, bench.keys)
    host = Host(bench)
    try:
        for number in range(KILLS):
            enough = total * (number + 1) // (KILLS + 1)
            wait(stored, lambda ended, enough=enough: ended >= enough)  # type: ignore[misc]
            host.replace("worker" if number % 2 else "beat")
        wait(stored, lambda ended: ended >= total)
    finally:
        for name in host.programs:
            host.kill(name)
    started = Counter((bench.directory / "started").read_text().split())
    outcomes = Counter(stored.get(NAME)[1])
    times = Counter(started.values())
    print(f"{total:,} due instants, {KILLS} kills, {time.monotonic() - began:,.0f} s")
    print(f"bodies that started once: {times[1]:,}, more often: {times.total() - times[1]:,}")
    print("as counted: " + ", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.items()))
    return times.total() == times[1] and outcomes.total() == total and times[1] >= outcomes["succeeded"]


def wait(stored: Backfills, is_so: Callable[[int], bool]) -> None:
    """Until it is so of the number of its runs that have ended."""
    while not is_so(sum(stored.get(NAME)[1].values())):
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(program(__doc__, TASKS, "--instants", 10_000, measure))
