"""What a body that prints 10 MB a second costs: ``python bench/flood.py [--seconds N] [--server PATH]``.

It runs in one of two processes of a worker, and empty runs in the other. Prints a Markdown table: the memory of the
worker with its processes and that of Redis, which must not grow with what is printed.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from bench.output import Bench, program

TASKS = """
    import sys, time
    from celery import shared_task

    MEGABYTE = 10_000 * (99 * "x" + "\\n")


    @shared_task(name="bench.empty")
    def empty():
        pass


    @shared_task(name="bench.flood")
    def flood(seconds):
        begin = time.monotonic()
        for number in range(10 * seconds):
            sys.stdout.write(MEGABYTE)
            time.sleep(max(begin + (number + 1) / 10 - time.monotonic(), 0))
        return round(10 * seconds / (time.monotonic() - begin), 1)
"""
EMPTY_RUNS = 200  #: in each part of the measurement


class Use(NamedTuple):
    """What is used at one moment, in MB."""

    worker: float
    redis: float


def use(bench: Bench) -> Use:
    return Use(resident_mb(bench.pid), int(bench.client.info("memory")["used_memory"]) / 1e6)


def resident_mb(pid: int) -> float:
    """The resident memory of a process and its children."""
    found = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if path.parent.name == str(pid) or fields[1] == str(pid):
                found += int(fields[21]) * 4096
    return found / 1e6


def measure(bench: Bench, seconds: int) -> None:
    print("| | MB of the worker, most | MB of Redis, most | empty runs/s in the other process |\n|---|---|---|---|")
    with bench.worker(2):
        empty_runs(bench, 3)  # both processes have done everything once
        rates, most = empty_runs(bench, 5)
        print(f"| nothing beside them | {most.worker:,.0f} | {most.redis:,.1f} | {rates / 2:,.0f} |", flush=True)
        [identity] = bench.send("bench.flood", 1, args=[seconds])
        flood_began, third = time.monotonic(), seconds / 3
        for part in range(1, 4):
            done, most, part_began = 0, use(bench), time.monotonic()
            while time.monotonic() < flood_began + part * third:
                rate, now = empty_runs(bench, 1)
                done, most = done + EMPTY_RUNS, Use(*map(max, zip(most, now, strict=True)))
            rate = done / (time.monotonic() - part_began)
            print(
                f"| {part * third:.0f} s of the flood | {most.worker:,.0f} | {most.redis:,.1f} | {rate:,.0f} |",
                flush=True,
            )
        [run] = bench.ended([identity])
        kept = bench.client.memory_usage(bench.keys.output(identity, 1))
        print(f"\nIt printed {run.result} MB a second for {run.duration or 0:.0f} s; its key has {kept:,} bytes.")


def empty_runs(bench: Bench, rounds: int) -> tuple[float, Use]:
    """Runs a second, and the most that was used."""
    began, most = time.monotonic(), use(bench)
    for _ in range(rounds):
        bench.ended(bench.send("bench.empty", EMPTY_RUNS, overlap="allow"))
        most = Use(*map(max, zip(most, use(bench), strict=True)))
        bench.client.delete(bench.keys.ledger(f"job{bench.count}"))
    return rounds * EMPTY_RUNS / (time.monotonic() - began), most


if __name__ == "__main__":
    sys.exit(program(__doc__, TASKS, "--seconds", 30, measure))
