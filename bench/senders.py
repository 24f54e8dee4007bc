"""What is measured: this service's scheduler, stock RedBeat's, and a Redis for both."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import redis
from celery import Celery
from celery.schedules import schedule as interval
from redbeat.schedulers import RedBeatScheduler, RedBeatSchedulerEntry

from scheduler import changes
from scheduler.beat.leading import Leading
from scheduler.beat.scheduler import Scheduler
from scheduler.beat.sender import MAX_BATCH
from scheduler.celeryapp import build
from scheduler.model import Declared, Entry
from scheduler.settings import Settings
from scheduler.storage.client import Client
from scheduler.storage.instants import from_seconds, to_micros
from scheduler.storage.store import Write
from scheduler.validate import validate_fields

TASK = "scheduler.tasks.log_it"
HOUR = 3600.0


@contextmanager
def private_redis(server: str) -> Iterator[str]:
    """A Redis of the bench's own, durable as in production."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        path = f"{directory}/r.sock"
        options = ["--port", "0", "--unixsocket", path, "--dir", directory, "--save", "", "--appendonly", "yes"]
        process = subprocess.Popen([server, *options], stdout=subprocess.DEVNULL)
        try:
            while not Path(path).exists():
                time.sleep(0.01)
            yield f"unix://{path}"
        finally:
            process.terminate()
            process.wait()


def redis_cpu(client: Client) -> float:
    info = client.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


def cpu_seconds(pid: int) -> float:
    """The CPU time of a process and its children."""
    spent = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if path.parent.name == str(pid) or fields[1] == str(pid):
                spent += int(fields[11]) + int(fields[12])
    return spent / os.sysconf("SC_CLK_TCK")


def stock_app(url: str) -> Celery:
    app = Celery("stock", broker=url.replace("unix:", "redis+socket:"), set_as_current=False)
    app.conf.update(redbeat_redis_url=url, redbeat_redis_options={}, redbeat_key_prefix="stock:", redbeat_lock_key=None)
    app.conf.update(task_ignore_result=True, timezone="UTC", beat_max_loop_interval=5)
    return app


class Stock:
    """RedBeat's own scheduler."""

    name = "RedBeat, stock"

    def __init__(self, url: str) -> None:
        self.app = stock_app(url)
        self.scheduler = RedBeatScheduler(self.app, lazy=True)
        self.scheduler.lock_key = None

    def prepare(self, count: int) -> None:
        client = redis.Redis.from_url(self.scheduler.app.conf.redbeat_redis_url)
        last = self.app.now() - timedelta(seconds=HOUR + 1)
        for number in range(count):
            entry = RedBeatSchedulerEntry(f"job-{number}", TASK, interval(HOUR), args=[10, 20], app=self.app)
            entry.last_run_at = last
            client.delete(entry.key)
            entry.save()

    def send(self) -> None:
        self.scheduler.tick()


class Ours:
    """This service's scheduler; several with one token hold one lock."""

    name = "this service"

    def __init__(self, url: str, token: str = "", **fields: object) -> None:
        self.fields = {"task": TASK, "every": "1h", "args": [10, 20], "overlap": "allow"} | fields
        self.state = tempfile.TemporaryDirectory(prefix="bench-")
        file = Path(self.state.name, "schedules.yaml")
        file.write_text("schedules: {}")
        self.settings = Settings(redis_url=url, lease=300, file=file, state_dir=Path(self.state.name))
        self.app = build(self.settings)
        self.app.loader.import_default_modules()
        self.app.finalize()
        self.scheduler = Scheduler(self.app, lazy=True)
        self.scheduler.lease.token = token or self.scheduler.lease.token
        role = self.scheduler.take_role()
        assert isinstance(role, Leading)
        self.sender = role.sender

    def declared(self, name: str, start: str) -> Declared:
        found, problems = validate_fields(name, self.fields | {"start": start}, tasks=None)
        assert found is not None, problems
        return found

    def prepare(self, count: int) -> None:
        store, due = self.scheduler.context.store, from_seconds(float(int(time.time()) + 3 + count // 2000))
        if not self.scheduler.client.exists(store.keys.schedule):
            fields = self.declared("job", due.isoformat()).fields()
            entries = [Entry(f"job-{number}", "admin", fields, due=due) for number in range(count)]
            store.write([Write(entry.name, None, entry) for entry in entries])
        with self.scheduler.client.pipeline(transaction=False) as pipe:
            for number in range(count):
                pipe.hset(f"redbeat:job-{number}", "due", to_micros(due))
                pipe.zadd("redbeat::schedule", {f"redbeat:job-{number}": due.timestamp()})
            pipe.execute()
        self.know([f"job-{number}" for number in range(count)])
        self.scheduler.lease.campaign(self.scheduler.client)  # stock's turn may have outlasted the lease
        time.sleep(max(due.timestamp() - time.time(), 0))

    def know(self, names: list[str]) -> None:
        """Bring the roster up to date after the due instants were moved, as it is after the run before."""
        roster, now = self.sender.roster, changes.clock()
        roster.clear()
        for name, stored in roster.unknown(names).items():
            self.sender.read(name, stored, now)

    def send(self) -> None:
        while self.sender.send(()):
            continue


class Limit(Ours):
    """The same writes of the same script, its arguments built before the clock starts."""

    name = "limit: the same script, arguments prebuilt"

    def prepare(self, count: int) -> None:
        super().prepare(count)
        sender = self.sender
        names = sender.roster.due(count)
        batches = [sender.prepare(names[at : at + MAX_BATCH], ()) for at in range(0, count, MAX_BATCH)]
        self.calls = [sender.dispatcher.arguments(batch, self.scheduler.lease.token) for batch in batches]

    def send(self) -> None:
        for arguments in self.calls:
            self.sender.dispatcher.commit(arguments)
