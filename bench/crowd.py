"""Whether many readers keep each other or beat waiting: ``python -m bench.crowd [--schedules 50000] [--seconds 60]``.

One Redis, the page as its unit starts it, and a beat with TICKING schedules that are due each second. READERS have a
page open, which asks again every 5 s with the tag of what it shows; for each of WORST there is one who searches again
as soon as there is an answer, and a program asks for /healthz. Beat and a schedule's page are measured with FEW readers
first. Prints a Markdown table, and ends with 1 if a limit does not hold.
"""

from __future__ import annotations

import argparse
import http.client
import os
import random
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count as forever
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

from bench.reading import PASSWORD, fill, page_settings
from bench.senders import TASK, private_redis
from bench.worker import ROOT
from scheduler.model import Entry
from scheduler.settings import Settings
from scheduler.storage.client import connect
from scheduler.storage.instants import from_seconds
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.storage.store import Store, Write
from scheduler.up.redis_server import find_server
from scheduler.up.web import FirstRequest, listen

READERS, FEW = 50, 3
LOOK_S = 5.0  #: seconds between two looks of an open page
WORST = (  #: of the searches that bench/reading.py measures
    "/schedules?q=00&tag=etl",
    "/schedules?state=ok",
    "/schedules?state=ok&q=report&page=9",
    "/schedules?sort=next&page=500",
    "/schedules?sort=last&state=ok&page=500",
    "/schedules?sort=duration&q=report",
    "/schedules?sort=duration&state=new",
    "/runs?q=zzz",
)
TICKING = 20
HEALTH, LIST, SCHEDULE, RUNS = "`/healthz`", "the list", "a schedule's page", "runs of 24 h"
FILTERS = "the worst filters"
PATHS = {HEALTH: "/healthz", LIST: "/schedules", RUNS: "/runs?last=24h"}
OPEN = (LIST, SCHEDULE, RUNS)  #: what readers have open, in turn
LIMITS_MS = {HEALTH: 1000, SCHEDULE: 500}  #: the most that the 95th percentile may be
LATER_MS = 50  #: the most that readers may add to the 95th percentile of beat's lateness


class Visitor:
    """A browser that has logged in; each look has a connection of its own."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.headers = {"Accept": "text/html", "Accept-Encoding": "gzip", "Sec-Fetch-Site": "same-origin"}
        self.tags: dict[str, str] = {}

    def log_in(self) -> Visitor:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = self.ask("POST", "/login", urlencode({"password": PASSWORD}), form)
        self.headers["Cookie"] = answer.headers["Set-Cookie"].partition(";")[0]
        return self

    def look(self, path: str) -> tuple[int, float]:
        """The status of the answer, and how many ms it took."""
        began = time.perf_counter()
        answer = self.ask("GET", path, None, {"If-None-Match": self.tags.get(path, "")})
        self.tags[path] = answer.headers.get("ETag", "")
        return answer.status, (time.perf_counter() - began) * 1000

    def ask(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request(method, path, body, self.headers | headers)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer


class Crowd:
    """Threads that look until they are told to stop; keeps every answer's status and time by the kind of page."""

    def __init__(self, visitor: Visitor, schedules: int) -> None:
        self.visitor = visitor
        self.schedules = schedules
        self.answers: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
        self.over = threading.Event()

    def start(self, kind: str, paths: Iterator[str], every: float) -> threading.Thread:
        thread = threading.Thread(target=self.watch, args=(kind, paths, every))
        thread.start()
        return thread

    def watch(self, kind: str, paths: Iterator[str], every: float) -> None:
        visitor = Visitor(self.visitor.port)
        visitor.headers = self.visitor.headers
        self.over.wait(random.uniform(0, every))
        while not self.over.is_set():
            self.answers[kind].append(visitor.look(next(paths)))
            self.over.wait(every)

    def look(self, kind: str, number: int = 0) -> threading.Thread:
        """What is looked at, and how often."""
        if kind == FILTERS:
            return self.start(kind, cycle(WORST[number:] + WORST[:number]), 0.0)
        if kind == SCHEDULE:
            return self.start(
                kind, (f"/schedules/job-{random.randrange(self.schedules):06}" for _ in forever()), LOOK_S
            )
        return self.start(kind, cycle([PATHS[kind]]), 0.25 if kind == HEALTH else LOOK_S)

    def look_for(self, seconds: float, *kinds: str) -> None:
        """A thread for each of these, for so long."""
        threads = [self.look(kind, number % len(WORST)) for number, kind in enumerate(kinds)]
        time.sleep(seconds)
        self.over.set()
        for thread in threads:
            thread.join()


def ticking(settings: Settings) -> None:
    """Schedules that are due each second."""
    due = from_seconds(float(int(time.time()) + 5))
    fields = {"task": TASK, "args": [10, 20], "every": "1s", "overlap": "allow", "start": due.isoformat()}
    names = [f"tick-{number}" for number in range(TICKING)]
    store = Store(connect(settings), Keys(settings.key_prefix))
    store.write([Write(name, None, Entry(name, "admin", fields, due=due)) for name in names])


def lateness(settings: Settings, since: float, until: float) -> list[float]:
    """How many ms after its due instant each run of those was in its queue."""
    ledger = Ledger(connect(settings), Keys(settings.key_prefix), settings)
    runs = [run for number in range(TICKING) for run in ledger.runs(f"tick-{number}", settings.keep_runs)]
    return [(run.sent - run.due) * 1000 for run in runs if since <= run.due < until and run.sent]


@contextmanager
def running(command: Sequence[str], settings: Settings, **options: object) -> Iterator[None]:
    environ = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "SCHEDULER_REDIS_URL": settings.redis_url,
        "SCHEDULER_FILE": str(settings.file),
        "SCHEDULER_STATE_DIR": str(settings.state_dir),
        "SCHEDULER_ADMIN_PASSWORD_HASH": settings.admin_password_hash,
        "SCHEDULER_SECRET_KEY": settings.secret_key,
    }
    log = (settings.state_dir / f"{command[1]}.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", *command], cwd=settings.state_dir, env=environ, stdout=log, stderr=log, **options
    )  # type: ignore[call-overload]
    try:
        yield
    finally:
        process.terminate()
        process.wait()
        log.close()


def p95(found: Sequence[float]) -> float:
    return statistics.quantiles(found, n=20)[-1]


def told(kind: str, answers: Sequence[tuple[int, float]]) -> bool:
    """Print the row of a kind of page; whether its limit holds, and it was answered each time."""
    statuses = Counter(status for status, _ in answers)
    note = ", ".join(f"{number} × {status}" for status, number in sorted(statuses.items()))
    holds = row(kind, [took for _, took in answers], LIMITS_MS.get(kind), note)
    return holds and (kind not in LIMITS_MS or statuses.keys() <= {200, 304})


def row(name: str, found: Sequence[float], limit: float | None = None, note: str = "") -> bool:
    """Print it; whether the limit holds."""
    holds = limit is None or p95(found) <= limit
    goal = "" if limit is None else f"≤ {limit:,.0f}{'' if holds else ', not reached'}"
    figures = " | ".join(f"{it:,.0f}" for it in (statistics.median(found), p95(found), max(found)))
    print(f"| {name} | {len(found):,} | {figures} | {goal} | {note} |")
    return holds


@contextmanager
def served(settings: Settings) -> Iterator[Visitor]:
    """A visitor of the page, which has read every schedule once, beside a beat that sends."""
    with ExitStack() as stack:
        listener = stack.enter_context(listen("127.0.0.1", 0))
        first, bind = FirstRequest(listener), f"--bind=fd://{listener.fileno()}"
        page = ["gunicorn", "--config=python:scheduler.admin.serving", "scheduler.web:app", bind]
        stack.enter_context(running(page, settings, pass_fds=(listener.fileno(),)))
        stack.enter_context(running(["celery", "-A", "scheduler.celeryapp", "beat", "-lWARNING"], settings))
        while not first.answered():
            time.sleep(0.1)
        visitor = Visitor(listener.getsockname()[1]).log_in()
        visitor.look("/schedules")  # reads every schedule once
        while not lateness(settings, 0, time.time()):
            time.sleep(0.5)
        time.sleep(LOOK_S)
        yield visitor


def measure(settings: Settings, schedules: int, seconds: float) -> bool:
    """Print the table; whether every limit holds."""
    with served(settings) as visitor:
        few, crowd, began = Crowd(visitor, schedules), Crowd(visitor, schedules), time.time()
        few.look_for(seconds, HEALTH, *[SCHEDULE] * FEW)
        crowded = time.time()
        crowd.look_for(seconds, HEALTH, *islice(cycle(OPEN), READERS), *[FILTERS] * len(WORST))
        before, beside = lateness(settings, began, crowded), lateness(settings, crowded, crowded + seconds)
    print(f"{schedules:,} schedules, load {os.getloadavg()[0]:.1f}\n")
    print("| what | answers | median ms | p95 ms | most ms | limit | by status |\n|---|---|---|---|---|---|---|")
    for kind, answers in sorted(few.answers.items()):
        row(f"{kind}, {FEW} readers", [took for _, took in answers])
    row(f"beat's lateness, {FEW} readers", before)
    holds = [told(kind, answers) for kind, answers in sorted(crowd.answers.items())]
    holds.append(row("beat's lateness", beside, p95(before) + LATER_MS))
    return all(holds)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--schedules", type=int, default=50_000)
    options.add_argument("--seconds", type=float, default=60.0, help="without readers, and again with them; up to 90")
    options.add_argument("--server", default=find_server(Path()))
    chosen = options.parse_args()
    with TemporaryDirectory(prefix="bench-") as directory, private_redis(chosen.server) as url:
        settings = page_settings(url, directory)
        settings.file.write_text("schedules: {}\n")
        fill(settings, chosen.schedules, backlog=0)  # beat would give its runs up meanwhile
        ticking(settings)
        return 0 if measure(settings, chosen.schedules, chosen.seconds) else 1


if __name__ == "__main__":
    sys.exit(main())
