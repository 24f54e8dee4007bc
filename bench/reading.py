"""What reading costs with many schedules: the list with each filter, other pages, `status`, `doctor` and the metrics.

    python bench/reading.py [--schedules 50000 100000] [--rounds 30] [--server PATH]

Prints a Markdown table. BACKLOG runs wait in queues without a worker. The page is a process of its own, whose memory is
measured.
The first request reads every schedule once.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from flask.testing import FlaskClient
from werkzeug.security import generate_password_hash

from bench.senders import TASK, private_redis
from scheduler.admin import create_app
from scheduler.celeryapp import build
from scheduler.model import Entry, run_id
from scheduler.settings import Settings
from scheduler.status import problems
from scheduler.storage import health
from scheduler.storage.client import Client, connect
from scheduler.storage.instants import from_seconds, to_seconds
from scheduler.storage.keys import Keys
from scheduler.storage.store import Store, Write
from scheduler.up.redis_server import find_server

HOUR = timedelta(hours=1)
FAILING = 313
BACKLOG = 100_000  #: runs that wait in queues which no worker takes from
BACKLOG_QUEUES = 20
PAGES = (
    "/schedules?",
    "/schedules?q=report",
    "/schedules?q=tag:etl",
    "/schedules?q=00&tag=etl",
    "/schedules?tag=etl",
    "/schedules?state=ok",
    "/schedules?state=failed",
    "/schedules?state=new",
    "/schedules?state=ok&q=report&page=9",
    "/schedules?q=queue:celery",
    "/schedules?q=zone:utc",
    "/schedules?q=state:failed",
    "/schedules?q=state:new+zone:utc+report",
    "/schedules?q=error:3",
    "/schedules?sort=next",
    "/schedules?sort=last",
    "/schedules?sort=duration&q=report",
    "/schedules?sort=duration&state=new",
    "/runs?last=24h",
    "/runs?outcome=wrong&last=24h",
    "/runs?tag=team-7&last=24h",
    "/runs?task=log&last=24h",
    "/runs?queue=none&last=24h",
    "/runs?started_by=person&last=24h",
    "/runs?reason=overlap&last=24h",
    "/timeline",
    "/health",
)
PASSWORD = "bench"
SAME_SITE = {"Sec-Fetch-Site": "same-origin"}
TIMINGS = ("every weekday at 9", "30 2 * * *", "1h30m", "2999-12-24 18:00", "FREQ=MONTHLY;BYDAY=-1FR")


def page_settings(url: str, directory: str) -> Settings:
    hashed = generate_password_hash(PASSWORD, method="pbkdf2:sha256:1")
    state = Path(directory)
    file = state / "schedules.yaml"
    return Settings(
        redis_url=url, file=file, state_dir=state, admin_password_hash=hashed, secret_key="0123456789abcdef" * 4
    )


def fill(settings: Settings, count: int, backlog: int = BACKLOG) -> None:
    """So many schedules; one in ten is new, FAILING failed, the others are well; and runs that wait."""
    client, keys = connect(settings), Keys(settings.key_prefix)
    client.flushall()
    now = from_seconds(float(int(time.time())))
    writes = [Write(entry.name, None, entry) for entry in entries(count, now + HOUR)]
    for start in range(0, count, 5_000):
        Store(client, keys).write(writes[start : start + 5_000])
    due = now - HOUR
    with client.pipeline(transaction=False) as pipe:
        for number in range(count):
            if number % 10 == 0:
                continue
            name = f"job-{number:06}"
            ended = "failed" if number % (count // FAILING) == 1 else "succeeded"
            began = to_seconds(due)
            row = {"due": repr(began), "outcome": ended, "started": repr(began), "result": "3"}
            row |= {"finished": repr(began + 1 + number % 997 / 100)}
            identity = run_id(name, due)
            pipe.hset(keys.ledger(name), mapping={identity: json.dumps(row), ":last": identity})
            if number % 10_000 == 0:
                pipe.execute()
        pipe.execute()
    add_backlog(client, keys, count, backlog)
    health.rebuild(client, keys)


def add_backlog(client: Client, keys: Keys, count: int, backlog: int) -> None:
    """Runs that wait for a worker, of all schedules in turn."""
    sent = time.time() - HOUR.total_seconds()
    with client.pipeline(transaction=False) as pipe:
        for number in range(backlog):
            queue = f"queue-{number % BACKLOG_QUEUES}"
            identity = run_id(f"job-{number % count:06}", from_seconds(sent + number / 1000))
            pipe.zadd(keys.sent(queue), {identity: sent + number / 1000})
            pipe.sadd(keys.queues, queue)
            if number % 10_000 == 0:
                pipe.execute()
        pipe.execute()


def entries(count: int, due: object) -> Iterator[Entry]:
    """Their descriptions and tags differ, as in a real file."""
    for number in range(count):
        fields = {
            "task": TASK,
            "args": [number, 20],
            "cron": f"{number % 60} {number % 24} * * *",
            "description": f"Report {number % 997} of customer {number}",
            "tags": ["etl", f"team-{number % 20}"] if number % 3 else ["billing"],
        }
        yield Entry(f"job-{number:06}", "admin", fields, due=due)  # type: ignore[arg-type]


def timed(work: Callable[[], object], rounds: int) -> tuple[float, ...]:
    """The median and the 95th percentile, in ms, and the median of this process's processor time."""
    took, used = [], []
    for _ in range(rounds):
        began, cpu = time.perf_counter(), time.process_time()
        work()
        took.append((time.perf_counter() - began) * 1000)
        used.append((time.process_time() - cpu) * 1000)
    return statistics.median(took), statistics.quantiles(took, n=20)[-1], statistics.median(used)


def measure(settings: Settings, rounds: int) -> None:
    """Print a row for each thing that is read."""
    app = create_app(build(settings))
    page, service = app.test_client(), app.extensions["scheduler"]
    log_in(page)
    began = time.perf_counter()
    page.get("/schedules")
    row("page, first request", (time.perf_counter() - began) * 1000)
    for path in PAGES:
        row(f"page, `{path}`", *timed(lambda path=path: page.get(path), rounds))  # type: ignore[misc]
    for timing in TIMINGS:
        row(f"preview of the form, `{timing}`", *timed(lambda timing=timing: preview(page, timing), rounds))  # type: ignore[misc]
    row("`status`", *timed(lambda: service.status.overview(()), rounds))
    row("problems of `doctor` and `/readyz`", *timed(lambda: problems.problems(service.store, settings), rounds))
    row(
        "`history`, the newest 100 of all schedules",
        *timed(lambda: service.ledger.between(0, time.time(), 100), rounds),
    )
    row("`/metrics`", *timed(lambda: page.get("/metrics"), rounds))
    # Not getrusage, which counts the process that started this one.
    peak = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
    row("MB of the page's process, most", int(peak) / 1000)


def log_in(page: FlaskClient) -> None:
    assert page.post("/login", data={"password": PASSWORD}, headers=SAME_SITE).location == "/schedules"


def preview(page: FlaskClient, timing: str) -> None:
    """What the form for a new schedule asks while a person types."""
    typed = {"name": "new", "task": TASK, "timing": timing, "timezone": "Europe/Berlin", "zone": "Asia/Tokyo"}
    typed |= {"args": "[1, 20]", "enabled": "on", "act": "check"}
    answer = page.post("/schedules/new", data=typed, headers=SAME_SITE)
    assert answer.status_code == 200
    assert b"Next runs" in answer.data


def row(name: str, *numbers: float) -> None:
    cells = [f"{number:,.0f}" for number in numbers] + [""] * (3 - len(numbers))
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--schedules", type=int, nargs="+", default=[50_000, 100_000])
    options.add_argument("--rounds", type=int, default=30)
    options.add_argument("--server", default="")
    options.add_argument("--measure", default="", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    logging.getLogger("scheduler").setLevel(logging.ERROR)
    with TemporaryDirectory(prefix="bench-") as directory:
        if chosen.measure:
            return measure(page_settings(chosen.measure, directory), chosen.rounds)
        with private_redis(chosen.server or find_server(Path())) as url:
            for count in chosen.schedules:
                fill(page_settings(url, directory), count)
                print(
                    f"\n{count:,} schedules\n\n| what | median ms | p95 ms | CPU ms of the page |\n|---|---|---|---|",
                    flush=True,
                )
                command = [sys.executable, __file__, "--measure", url, "--rounds", str(chosen.rounds)]
                subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
