"""What 1,000 runs that leak 10 MB each leave behind: ``python bench/leaks.py [--runs N] [--server PATH]``.

Each body leaves 10 MB behind, under `max_memory`, on a worker with two processes. Prints a Markdown table: the memory
of the worker with its processes in each tenth of the runs, which must not grow with what is leaked.
"""

from __future__ import annotations

import sys
import time

from bench.flood import resident_mb
from bench.output import Bench, program

TASKS = """
from celery import shared_task

LEFT = []


@shared_task(name="bench.empty")
def empty():
    pass


@shared_task(name="bench.leak")
def leak():
    LEFT.append(b"x" * 10_000_000)
"""
MAX_MEMORY = "100MB"  #: the schedule's
PARTS = 10
LOOK_INTERVAL_S = 0.05


def measure(bench: Bench, runs: int) -> None:
    print("| runs that have ended | MB leaked by them | MB of the worker, most | processes of its pool so far |")
    print("|---|---|---|---|")
    pids: set[str] = set()
    wrong = 0
    with bench.worker(2):
        for part in range(1, PARTS + 1):
            ids, most = bench.send("bench.leak", runs // PARTS, max_memory=MAX_MEMORY), 0.0
            while is_under_way(bench, ids):
                most = max(most, resident_mb(bench.pid))
                time.sleep(LOOK_INTERVAL_S)
            ended, done = bench.ended(ids), part * (runs // PARTS)
            pids |= {run.worker for run in ended}
            wrong += sum(run.outcome != "succeeded" for run in ended)
            print(f"| {done:,} | {10 * done:,} | {most:,.0f} | {len(pids)} |", flush=True)
    print(f"\n{wrong} of the runs did not succeed.")


def is_under_way(bench: Bench, ids: list[str]) -> bool:
    """Whether one of these runs has not ended."""
    with bench.client.pipeline(transaction=False) as pipe:
        for identity in ids:
            pipe.hget(bench.keys.ledger(f"job{bench.count}"), identity)
        return any('"outcome":"queued"' in row or '"outcome":"running"' in row for row in pipe.execute())


if __name__ == "__main__":
    sys.exit(program(__doc__, TASKS, "--runs", 1_000, measure))
