"""How soon output can be read, and what it slows: ``python bench/live.py [--seconds N] [--server PATH]``.

A body prints 1 MB a second in one of two processes, each line with the time at which it was written, and
`logs --follow` reads it. Empty runs go through the other process. Prints a Markdown table: empty runs a second and the
time that Redis takes to answer, before, meanwhile and after; a silent body has the first process before and after. Then
how old lines were when `logs --follow` printed them.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import threading
import time
from typing import IO

from bench.output import ROOT, Bench, program

TASKS = """
import time
from celery import shared_task

REST = 80 * "x"


@shared_task(name="bench.empty")
def empty():
    pass


@shared_task(name="bench.silent")
def silent(seconds):
    time.sleep(seconds)


@shared_task(name="bench.steady")
def steady(seconds):
    begin = time.monotonic()
    for number in range(100 * seconds):
        for _ in range(100):
            print(f"at {time.time():.6f} {REST}")
        time.sleep(max(begin + (number + 1) / 100 - time.monotonic(), 0))
"""
EMPTY_RUNS = 100  #: in each look


def measure(bench: Bench, seconds: int) -> None:
    print("| 1 MB a second of output | empty runs/s in the other process | Redis answers in, median | worst of 100 |")
    print("|---|---|---|---|")
    with bench.worker(2):
        bench.rate()  # both processes have done everything once
        with_one_slot(bench, "before", 15)
        [identity] = bench.send("bench.steady", 1, args=[seconds])
        ages: list[float] = []
        with subprocess.Popen(
            [sys.executable, "-m", "scheduler", "logs", identity, "--follow"],
            cwd=ROOT,
            env={**os.environ, "SCHEDULER_REDIS_URL": bench.settings.redis_url, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            text=True,
        ) as reader:
            assert reader.stdout
            thread = threading.Thread(target=read, args=(reader.stdout, ages))
            thread.start()
            look(bench, f"for {seconds} s", seconds - 5)
            thread.join()
        [run] = bench.ended([identity])
        with_one_slot(bench, "after", 15)
    percent = statistics.quantiles(ages, n=100)
    print(
        f"\nIt printed for {run.duration or 0:.0f} s. `logs --follow` showed {len(ages):,} lines, a median of "
        f"{statistics.median(ages):.2f} s after they were written, 99 % within {percent[98]:.2f} s, and all within "
        f"{max(ages):.2f} s."
    )


def with_one_slot(bench: Bench, name: str, seconds: int) -> None:
    """The same where a silent body has the other process."""
    [identity] = bench.send("bench.silent", 1, args=[seconds + 5])
    look(bench, name, seconds)
    bench.ended([identity])


def look(bench: Bench, name: str, seconds: int) -> None:
    """Empty runs in the other process for so long, and how soon Redis answers meanwhile."""
    done, began, answers = 0, time.monotonic(), list[float]()
    while time.monotonic() < began + seconds:
        bench.ended(bench.send("bench.empty", EMPTY_RUNS))
        done += EMPTY_RUNS
        for _ in range(20):
            asked = time.perf_counter()
            bench.client.ping()
            answers.append((time.perf_counter() - asked) * 1e3)
        bench.client.delete(bench.keys.ledger(f"job{bench.count}"))
    rate = done / (time.monotonic() - began)
    worst = statistics.quantiles(answers, n=100)[98]
    print(f"| {name} | {rate:,.0f} | {statistics.median(answers):.2f} ms | {worst:.2f} ms |", flush=True)


def read(lines: IO[str], ages: list[float]) -> None:
    """How old each line is when it arrives, in seconds; not of those that were written before the reader was there."""
    began = 0.0
    for line in lines:
        now, (word, _, rest) = time.time(), line.partition(" ")
        began = began or now
        if word == "at" and (written := float(rest.split()[0])) > began:
            ages.append(now - written)


if __name__ == "__main__":
    sys.exit(program(__doc__, TASKS, "--seconds", 60, measure))
