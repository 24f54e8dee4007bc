"""A real worker, and runs that are sent to it one at a time."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from celery import Celery
from kombu import pools

from scheduler import celeryapp
from scheduler.model import Entry, Run
from scheduler.registry import signatures
from scheduler.sending.dispatch import Dispatcher
from scheduler.settings import Settings
from scheduler.storage.client import Client, connect
from scheduler.storage.instants import from_seconds
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.storage.store import Store, Write
from tests.support.polling import until
from tests.support.redis_server import redis_server
from tests.support.schedules import declared, entry_of
from tests.support.service import Program, Service, service

NUMBERS = itertools.count()
ENDED = ("succeeded", "failed", "stopped", "lost", "skipped")


class Shop:
    """A worker, and schedules that are sent to it one run at a time."""

    def __init__(self, running: Service, worker: Program, app: Celery, client: Client, directory: Path) -> None:
        settings = running.settings
        self.running, self.worker, self.app, self.client = running, worker, app, client
        self.keys = Keys(settings.key_prefix)
        self.store = Store(client, self.keys)
        self.ledger = Ledger(client, self.keys, settings)
        self.dispatcher = Dispatcher(app, client, self.keys, settings)
        self.bodies = directory / "bodies"

    def add(self, task: str | None, *args: Any, **fields: Any) -> Entry:
        name = f"s{next(NUMBERS)}"
        # Nothing falls due of itself, although a beat may run beside the test as an hour begins.
        far = {"every": "1h", "start": "2999-01-01T00:00:00Z"} if {"cron", "every", "at"}.isdisjoint(fields) else {}
        wanted = declared(name, **{"task": task, "args": list(args), "overlap": "allow"} | far | fields)
        self.store.write([Write(name, None, entry_of(wanted, "admin", now=from_seconds(time.time())))])
        return self.store.get(name)

    def send(self, task: str | None, *args: Any, **fields: Any) -> str:
        """A manual run of a new schedule; returns its id."""
        return self.dispatcher.run_now(self.add(task, *args, **fields), "ann")

    def ended(self, identity: str, seconds: float = 60) -> Run:
        def end() -> Run | None:
            run = self.ledger.get(identity)
            return run if run.outcome in ENDED else None

        try:
            return until(end, seconds, f"the end of {identity}")
        except AssertionError:
            print(self.ledger.get(identity), self.worker.output())
            raise

    def run(self, task: str | None, *args: Any, **fields: Any) -> Run:
        return self.ended(self.send(task, *args, **fields))

    def began(self, name: str) -> int:
        """How many bodies of this task have begun, counted outside Redis."""
        return self.bodies.read_text().splitlines().count(name) if self.bodies.exists() else 0

    def result(self, task_id: str) -> dict[str, Any]:
        """What Celery keeps of it, as any program can read it."""
        found: dict[str, Any] = json.loads(self.client.get(f"celery-task-meta-{task_id}") or "{}")
        return found


@contextmanager
def running_worker(directory: Path, *arguments: str, **environ: str) -> Iterator[tuple[Service, Program]]:
    """A Redis and a worker of this test's own that finds the modules in this directory."""
    with redis_server() as redis:
        file, state = directory / "schedules.yaml", directory / "state"
        settings = Settings(redis_url=redis.url, file=file, state_dir=state, run_lease=2.0)
        environ = {"SCHEDULER_RUN_LEASE": "2", "PYTHONPATH": str(directory), **environ}
        with service(settings, **environ) as running:
            worker = running.start("worker", "--concurrency=2", *arguments)
            worker.says(r" ready\.")
            yield running, worker


@contextmanager
def open_shop(running: Service, worker: Program, directory: Path) -> Iterator[Shop]:
    with connect(running.settings) as client:
        app = celeryapp.build(running.settings)
        signatures(app)
        yield Shop(running, worker, app, client, directory)
        app.close()
        pools.reset()  # type: ignore[no-untyped-call]
