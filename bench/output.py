"""What output, groups and `current_run` cost: ``python bench/output.py [--server PATH] [--rounds N] [--small]``.

Runs of an empty body with the output kept and not kept in turn, on a worker with one process, and of bodies that print,
ask for their run, or have a place in a group; with ``--small`` that is all. Then one body that prints
much at once and one that prints 1 MB a second, beside empty ones in the other process. Prints two Markdown tables.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from bench.senders import cpu_seconds, private_redis
from scheduler.celeryapp import build
from scheduler.model import Entry, Run
from scheduler.sending.decide import Decision
from scheduler.sending.dispatch import Dispatcher, Due
from scheduler.settings import Settings
from scheduler.storage import entries
from scheduler.storage.client import Client, connect
from scheduler.storage.instants import from_seconds
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.storage.store import Store, Write
from scheduler.up.redis_server import find_server

ROOT = Path(__file__).resolve().parent.parent
RUNS = 2_000
BODIES: dict[str, tuple[str, dict[str, str]]] = {
    "empty": ("bench.empty", {}),
    "prints a line": ("bench.print_line", {}),
    "asks for its run": ("bench.ask", {}),
    "empty, in a group": ("bench.empty", {"group": "group"}),
}
SECONDS = 20  #: of the body that prints steadily
TASKS = """
    import sys, time
    import scheduler
    from celery import shared_task

    LINE = 99 * "x"


    @shared_task(name="bench.empty")
    def empty():
        pass


    @shared_task(name="bench.print_line")
    def print_line():
        print(LINE)


    @shared_task(name="bench.ask")
    def ask():
        return scheduler.current_run().run_id


    @shared_task(name="bench.print_lines")
    def print_lines(megabytes, seconds):
        for _ in range(max(seconds, 1)):
            end = time.monotonic() + 1
            for _ in range(megabytes * 10_000):
                print(LINE)
            time.sleep(max(end - time.monotonic(), 0) if seconds else 0)
"""


class Bench:
    """A Redis, and what beat writes there."""

    def __init__(self, settings: Settings, directory: Path) -> None:
        self.settings, self.directory = settings, directory
        self.client: Client = connect(settings)
        self.keys = Keys(settings.key_prefix)
        self.app = build(settings)
        self.dispatcher = Dispatcher(self.app, self.client, self.keys, settings)
        self.ledger = Ledger(self.client, self.keys, settings)
        self.store = Store(self.client, self.keys)
        self.count = 0
        self.pid = 0  #: of the worker

    def send(self, task: str, runs: int, **fields: object) -> list[str]:
        """That many runs of a new schedule, all at once; returns their ids."""
        self.count += 1
        name, now = f"job{self.count}", from_seconds(float(int(time.time())))
        wanted = {"task": task, "every": "1h", "overlap": "allow"} | fields
        self.client.set(self.keys.lock, "ours")
        self.store.write([Write(name, None, Entry(name, "admin", wanted, {}, due=now))])
        entry = self.store.get(name)
        dues = tuple(now - timedelta(seconds=second) for second in range(runs))
        due = Due(entry, entries.job(entry), Decision(due=entry.due, runs=dues), entry.due)
        self.dispatcher.commit(self.dispatcher.arguments([due], "ours"))
        return [run.id for run in self.ledger.runs(name, runs)]

    @contextmanager
    def worker(self, processes: int, **environ: str) -> Iterator[None]:
        """A worker whose log goes nowhere."""
        command = [sys.executable, "-m", "celery", "-A", "scheduler.celeryapp", "worker", f"-c{processes}", "-lWARNING"]
        environ = {
            **os.environ,
            "SCHEDULER_REDIS_URL": self.settings.redis_url,
            "SCHEDULER_STATE_DIR": str(self.directory),
            "SCHEDULER_IMPORTS": "bench_tasks",
            "SCHEDULER_KEEP_RUNS": "100000",
            "PYTHONPATH": str(self.directory),
            **environ,
        }
        started = subprocess.Popen(command, env=environ, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.pid = started.pid
        try:
            self.ended(self.send("bench.empty", 2 * processes))
            yield
        finally:
            started.terminate()
            started.wait()

    def ended(self, ids: list[str]) -> list[Run]:
        """The runs, once all have ended."""
        while True:
            runs = [self.ledger.get(identity) for identity in (ids[0], ids[-1])]
            if all(run.finished for run in runs) and all(run.finished for run in map(self.ledger.get, ids)):
                return [self.ledger.get(identity) for identity in ids]
            time.sleep(0.2)

    def rate(self) -> float:
        """Empty runs a second of the worker that runs now."""
        runs = self.ended(self.send("bench.empty", RUNS))
        return RUNS / (max(run.finished for run in runs) - min(run.started for run in runs))

    def cost(self, task: str, **fields: object) -> Cost:
        """What a run costs on the worker that runs now."""
        self.client.hset(self.keys.file, "groups", f'{{"group": {10 * RUNS}}}')
        commands, cpu = self.commands(), cpu_seconds(self.pid)
        self.ended(self.send(task, RUNS, **fields))
        return Cost((cpu_seconds(self.pid) - cpu) / RUNS * 1e6, (self.commands() - commands) / RUNS)

    def commands(self) -> int:
        """Commands of workers and scripts that Redis has processed, without those by which this bench waits."""
        stats = self.client.info("commandstats")
        return sum(stat["calls"] for name, stat in stats.items() if name not in ("cmdstat_hget", "cmdstat_info"))


@contextmanager
def opened(tasks: str, server: str | None) -> Iterator[Bench]:
    """A bench with a Redis of its own, whose workers have the tasks of this module's text."""
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "bench_tasks.py").write_text(textwrap.dedent(tasks))
        sys.path.insert(0, directory)
        with private_redis(server or find_server(Path())) as url:
            settings = Settings(redis_url=url, state_dir=Path(directory), keep_runs=100_000, imports=("bench_tasks",))
            yield Bench(settings, Path(directory))


def program(text: str | None, tasks: str, option: str, default: int, measure: Callable[[Bench, int], object]) -> int:
    """The command line of a bench with one number; returns the exit code, 1 if ``measure`` returns False."""
    options = argparse.ArgumentParser(description=text)
    options.add_argument(option, type=int, default=default, dest="number")
    options.add_argument("--server", help="path of redis-server")
    chosen = options.parse_args()
    with opened(tasks, chosen.server) as bench:
        return int(measure(bench, chosen.number) is False)


class Cost(NamedTuple):
    """What one run costs."""

    cpu: float  #: µs of the worker and its child
    commands: float  #: of Redis


def small(bench: Bench, rounds: int) -> None:
    """Runs that print nothing or a line, with the output kept and not kept in turn."""
    costs: dict[tuple[str, str], list[Cost]] = {}
    for _ in range(rounds):
        for kept in ("0", "65536"):
            with bench.worker(1, SCHEDULER_OUTPUT_BYTES=kept):
                for body, (task, fields) in BODIES.items():
                    costs.setdefault((body, kept), []).append(bench.cost(task, **fields))
    print("| body | output | CPU µs/run, worker | Redis commands/run |\n|---|---|---|---|")
    for (body, kept), several in costs.items():
        cpu, commands = (statistics.median(values) for values in zip(*several, strict=True))
        print(f"| {body} | {'kept' if int(kept) else 'not kept'} | {cpu:,.0f} | {commands:.1f} |", flush=True)


def large(bench: Bench) -> None:
    """Runs that print much, and what the other slot does meanwhile."""
    print("\n| body | seconds | bytes to Redis | bytes of its key | empty runs/s beside it |\n|---|---|---|---|---|")
    with bench.worker(2):
        alone = statistics.median(bench.rate() for _ in range(3)) / 2
        print(f"| none: half of what two slots do | | | | {alone:,.0f} |", flush=True)
        for megabytes, seconds in ((10, 0), (1, SECONDS), (200, 0)):
            before = int(bench.client.info("stats")["total_net_input_bytes"])
            [identity] = bench.send("bench.print_lines", 1, args=[megabytes, seconds])
            rate = f"{bench.rate():,.0f}" if megabytes * max(seconds, 1) > 10 else ""
            [run] = bench.ended([identity])
            sent = int(bench.client.info("stats")["total_net_input_bytes"]) - before
            size = bench.client.memory_usage(bench.keys.output(identity, 1))
            name = f"{megabytes} MB" + (f" a second for {seconds} s" if seconds else " at once")
            print(f"| {name} | {run.duration or 0:.1f} | {sent:,} | {size:,} | {rate} |", flush=True)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--server", help="path of redis-server")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--small", action="store_true", help="leave out the bodies that print much")
    chosen = options.parse_args()
    with opened(TASKS, chosen.server) as bench:
        small(bench, chosen.rounds)
        if not chosen.small:
            large(bench)
    return 0


if __name__ == "__main__":
    sys.exit(main())
