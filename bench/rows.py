"""What ``python -m bench`` compares: each row measures this service and stock once, in turn, on one Redis."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from celery.schedules import schedule as interval

from bench import idle, worker
from bench.dispatch import load, seconds, timed
from bench.senders import HOUR, TASK, Ours, Stock
from scheduler.beat.scheduler import Scheduler
from scheduler.model import Declared
from scheduler.storage.client import Client
from scheduler.up.redis_server import find_server


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
    is_more_better: bool = True

    def reaches(self, ratio: float, wanted: float) -> bool:
        return ratio >= wanted if self.is_more_better else ratio <= wanted


class Group(NamedTuple):
    """Rows that are measured together."""

    rows: tuple[Row, ...]
    measure: Callable[[Place], tuple[Pair, ...]]
    most: int = 9  #: rounds; one will do where commands are counted


def sending(place: Place) -> tuple[Pair, Pair]:
    """The first sending after a start, and a later one."""
    count = place.size(5_000, 1_000)
    place.client.flushall()
    ours = Ours(place.url)
    first, warm = (timed(ours, count, place.client)[0] for _ in range(2))
    stock = timed(Stock(place.url), count, place.client)[0]
    return Pair(first, stock), Pair(warm, stock)


def working(place: Place) -> tuple[Pair, ...]:
    """Runs a second and the processor time of one, with the result stored and without; then with beat beside it."""
    pairs: list[Pair] = []
    count = place.size(600, 300)
    service, plain = worker.Service(place.url, place.directory), worker.Stock(place.url, place.directory)
    for results in (False, True):
        ours, stock = (side.measure(count, results=results) for side in (service, plain))
        pairs += Pair(ours.rate, stock.rate), Pair(ours.cpu + ours.redis, stock.cpu + stock.redis)
    return *pairs, Pair(service.end_to_end(count), stock.rate)


def loading(place: Place) -> tuple[Pair, ...]:
    """Seconds of the first load of a file that was judged, and of the first tick of a start with nothing changed."""
    count = place.size(10_000, 1_000)
    mine = load_twice(place, count)
    place.client.flushall()
    stock = Stock(place.url)
    conf = {f"job-{number}": {"task": TASK, "schedule": interval(HOUR), "args": [10, 20]} for number in range(count)}
    stock.app.conf.beat_schedule = conf
    theirs = [seconds(stock.scheduler.setup_schedule) for _ in range(2)]
    return tuple(Pair(*both) for both in zip(mine, theirs, strict=True))


def load_twice(place: Place, count: int) -> tuple[float, float]:
    """Seconds of this service for both."""
    place.client.flushall()
    ours = Ours(place.url)
    wanted = {f"job-{number}": ours.declared(f"job-{number}", "2026-01-01 00:00") for number in range(count)}
    return seconds(load, ours.scheduler.context.store, wanted), restart(place, ours, wanted)


def restart(place: Place, ours: Ours, wanted: Mapping[str, Declared]) -> float:
    """Seconds of the first tick of a beat that starts again with this file, from its text on."""
    place.client.flushall()
    lines = (f"  {name}: {json.dumps(declared.fields())}\n" for name, declared in wanted.items())
    ours.settings.file.write_text(f"schedules:\n{''.join(lines)}")
    before = Scheduler(ours.app, lazy=True)
    before.take_role().tick()
    assert len(before.context.store.names()) == len(wanted)
    before.close()
    again = Scheduler(ours.app, lazy=True)
    took = seconds(again.take_role().tick)
    again.close()
    return took


def idling(place: Place) -> tuple[Pair]:
    """What a beat with nothing to do asks Redis in a second, on a Redis of its own."""
    ours, stock, *_ = idle.SIDES
    times = (place.size(60, 10), place.size(30, 10))
    rates = [sum(idle.commands(side, find_server(Path()), *times).values()) for side in (ours, stock)]
    return (Pair(*rates),)


def starting(_: Place) -> tuple[Pair, Pair]:
    stock = cpu_of("-m", "celery", "--version")
    commands = (("--version",), ("next", "--cron", "* * * * *"))
    version, upcoming = (cpu_of("-m", "scheduler", *command) for command in commands)
    return Pair(version, stock), Pair(upcoming, stock)


def cpu_of(*arguments: str) -> float:
    """Seconds of processor time that a Python process takes, the least of five."""
    return min(cpu_once(arguments) for _ in range(5))


def cpu_once(arguments: tuple[str, ...]) -> float:
    started = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(started.pid, 0)
    started.returncode = os.waitstatus_to_exitcode(status)
    assert started.returncode == 0, arguments
    return usage.ru_utime + usage.ru_stime


GROUPS = (
    Group(
        (Row("first sending after a start", "messages/s", 15, 3), Row("sending", "messages/s", 15, 4)),
        sending,
    ),
    Group(
        (
            Row("worker, no result", "runs/s", 0.9, 0.25),
            Row("worker and Redis, no result", "CPU µs/run", 1.1, 3, is_more_better=False),
            Row("worker, result stored", "runs/s", 0.9, 0.25),
            Row("worker and Redis, result stored", "CPU µs/run", 1.1, 2.5, is_more_better=False),
            Row("due instant to end of run, result stored; stock: plain tasks", "runs/s", 0.85, 0.25),
        ),
        working,
    ),
    Group(
        (
            Row("first load of 10,000", "s", 0.25, 1.5, is_more_better=False),
            Row("first tick of a start with nothing changed", "s", 0.25, 1, is_more_better=False),
        ),
        loading,
    ),
    Group((Row("idle beat", "commands/s", 2, 8, is_more_better=False),), idling, most=1),
    Group(
        (
            Row("command line, `--version`", "CPU s", 0.5, 1.5, is_more_better=False),
            Row("command line, `next --cron`", "CPU s", 0.5, 1.5, is_more_better=False),
        ),
        starting,
    ),
)
