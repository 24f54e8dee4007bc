"""What ``python -m bench`` compares: each row measures this service and stock once, in turn, on one Redis."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from celery.schedules import schedule as interval

from bench import worker
from bench.dispatch import load, seconds, timed
from bench.senders import HOUR, TASK, Ours, Stock
from scheduler.storage.client import Client


class Place(NamedTuple):
    """Where a row is measured, and how much of it."""

    url: str
    client: Client
    directory: Path  #: with the modules of ``worker.write_modules``
    is_quick: bool

    def size(self, full: int, quick: int) -> int:
        return quick if self.is_quick else full


class Pair(NamedTuple):
    """One measurement, in the unit of its row."""

    ours: float
    stock: float


class Row(NamedTuple):
    """A comparison; ``goal`` and ``bound`` are ratios, ours to stock, that more or less is better than."""

    name: str
    unit: str
    goal: float
    bound: float  #: what ``--quick`` insists on, however busy the machine is
    is_more_better: bool
    measure: Callable[[Place], Pair]

    def reaches(self, ratio: float, wanted: float) -> bool:
        return ratio >= wanted if self.is_more_better else ratio <= wanted


def sending_first(place: Place) -> Pair:
    count = place.size(10_000, 1_000)
    place.client.flushall()
    ours = timed(Ours(place.url), count, place.client)[0]
    return Pair(ours, timed(Stock(place.url), count, place.client)[0])


def sending(place: Place) -> Pair:
    count = place.size(10_000, 1_000)
    place.client.flushall()
    warm = Ours(place.url)
    timed(warm, count, place.client)
    ours = timed(warm, count, place.client)[0]
    return Pair(ours, timed(Stock(place.url), count, place.client)[0])


def work(place: Place, *, results: bool) -> list[worker.Cost]:
    runs = place.size(2_000, 500)
    sides = (worker.Service(place.url, place.directory), worker.Stock(place.url, place.directory))
    return [side.measure(runs, results=results) for side in sides]


def working(place: Place) -> Pair:
    return Pair(*(cost.rate for cost in work(place, results=True)))


def working_without_results(place: Place) -> Pair:
    return Pair(*(cost.rate for cost in work(place, results=False)))


def processor(place: Place) -> Pair:
    return Pair(*(cost.cpu + cost.redis for cost in work(place, results=True)))


def loads(place: Place) -> tuple[Pair, Pair]:
    """Seconds of the first load of a file that was judged, and of one with nothing changed."""
    count = place.size(10_000, 1_000)
    place.client.flushall()
    ours = Ours(place.url)
    wanted = {f"job-{number}": ours.declared(f"job-{number}", "2026-01-01 00:00") for number in range(count)}
    mine = [seconds(load, ours.scheduler.context.store, wanted) for _ in range(2)]
    place.client.flushall()
    stock = Stock(place.url)
    conf = {name: {"task": TASK, "schedule": interval(HOUR), "args": [10, 20]} for name in wanted}
    stock.app.conf.beat_schedule = conf
    theirs = [seconds(stock.scheduler.setup_schedule) for _ in range(2)]
    first, again = (Pair(*both) for both in zip(mine, theirs, strict=True))
    return first, again


def loading(place: Place) -> Pair:
    return loads(place)[0]


def loading_again(place: Place) -> Pair:
    return loads(place)[1]


def starting(_: Place) -> Pair:
    return Pair(cpu_of("-m", "scheduler", "--version"), cpu_of("-m", "celery", "--version"))


def cpu_of(*arguments: str) -> float:
    """Seconds of processor time that a Python process takes, the least of five."""
    return min(cpu_once(arguments) for _ in range(5))


def cpu_once(arguments: tuple[str, ...]) -> float:
    started = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(started.pid, 0)
    started.returncode = os.waitstatus_to_exitcode(status)
    assert started.returncode == 0, arguments
    return usage.ru_utime + usage.ru_stime


ROWS = (
    Row("first sending after a start", "messages/s", 15, 0.5, is_more_better=True, measure=sending_first),
    Row("sending", "messages/s", 15, 2, is_more_better=True, measure=sending),
    Row("worker, empty runs, results stored", "runs/s", 0.9, 0.25, is_more_better=True, measure=working),
    Row("worker, empty runs", "runs/s", 0.9, 0.25, is_more_better=True, measure=working_without_results),
    Row("worker and Redis, results stored", "CPU µs/run", 1.1, 2, is_more_better=False, measure=processor),
    Row("first load of what a file says", "s", 0.25, 1.5, is_more_better=False, measure=loading),
    Row("the same, unchanged", "s", 0.25, 1, is_more_better=False, measure=loading_again),
    Row("command line, `--version`", "CPU s", 0.5, 1.5, is_more_better=False, measure=starting),
)
