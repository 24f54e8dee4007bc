"""Peers beside this service: ``python -m bench --peers``. Each has a script, which its own environment runs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

from bench.dispatch import every_run, timed
from bench.rows import Group, Pair, Place, Row, load_twice
from bench.senders import Ours
from scheduler import changes
from scheduler.storage.instants import from_seconds

HERE = Path(__file__).parent
PACKAGES = ("rq==3.0.0", "apscheduler==3.11.3")
DUE_EVERY_S = 10


@cache
def python(directory: Path) -> Path:
    """The Python of an environment with the peers, made when it is first asked for."""
    found = directory / "peers" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", directory / "peers"], check=True)
    subprocess.run([found, "-m", "pip", "install", "--quiet", *PACKAGES], check=True, stderr=subprocess.DEVNULL)
    return found


def told(interpreter: Path | str, script: str, *arguments: object) -> list[float]:
    """The figures that a script of a peer prints."""
    command = [interpreter, HERE / script, *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures: list[float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def sending(place: Place) -> tuple[Pair, Pair]:
    """The first sending after a start, and a later one, of jobs that are all due at once."""
    count = place.size(5_000, 1_000)
    place.client.flushall()
    ours = Ours(place.url)
    mine = [timed(ours, count, place.client)[0] for _ in range(2)]
    place.client.flushall()
    theirs = told(python(place.directory), "rq_cron.py", place.url, count)
    return Pair(mine[0], theirs[0]), Pair(mine[1], theirs[1])


def loading(place: Place) -> tuple[Pair, Pair]:
    """Seconds of a first load, and of a start with nothing changed."""
    count = place.size(10_000, 1_000)
    mine = load_twice(place, count)
    theirs = told(sys.executable, "persistent.py", place.directory, count)
    return Pair(mine[0], theirs[0]), Pair(mine[1], theirs[1])


def lateness(place: Place) -> tuple[Pair, Pair]:
    """Milliseconds from the due instant, in the median and at most, of 500 that are due at once, again and again.

    The first time after a start is left out: it is that of the rows of sending.
    """
    count, times = 500, place.size(6, 2)
    place.client.flushall()
    ours = Ours(place.url)
    start = from_seconds(float(int(time.time()) + DUE_EVERY_S))
    fields = ours.declared("job", start.isoformat()).fields() | {"every": f"{DUE_EVERY_S}s"}
    for number in range(count):
        changes.create(ours.scheduler.context.store, f"job-{number}", fields, tasks=None, by="bench")
    end = time.monotonic() + DUE_EVERY_S * (times + 1.5)
    while time.monotonic() < end:
        ours.scheduler.tick()
    runs = [run for run in every_run(ours.scheduler.client) if run.due > start.timestamp()]
    assert len(runs) == count * times
    mine = sorted(run.sent - run.due for run in runs)
    theirs = told(python(place.directory), "apscheduler_jobs.py", count, DUE_EVERY_S, times)
    return Pair(middle(mine), middle(theirs)), Pair(mine[-1] * 1e3, theirs[-1] * 1e3)


def middle(late: list[float]) -> float:
    return late[len(late) // 2] * 1e3


GROUPS = (
    Group(
        (
            Row("first sending after a start; RQ's cron", "messages/s", 1, 0.3),
            Row("sending; RQ's cron", "messages/s", 1, 1),
        ),
        sending,
    ),
    Group(
        (
            Row("first load of 10,000; Celery's `PersistentScheduler`", "s", 1, 4, is_more_better=False),
            Row("start with nothing changed; Celery's `PersistentScheduler`", "s", 1, 4, is_more_better=False),
        ),
        loading,
    ),
    Group(
        (
            Row("lateness of 500 due at once, median; APScheduler", "ms", 1, 4, is_more_better=False),
            Row("lateness of 500 due at once, most; APScheduler", "ms", 1, 4, is_more_better=False),
        ),
        lateness,
        most=1,
    ),
)
