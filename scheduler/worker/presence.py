"""Reports to Redis what this worker is, in the thread that renews its leases."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from celery import signals
from celery.worker import state
from redis import RedisError

from scheduler import __version__
from scheduler.settings import Settings
from scheduler.storage.client import connect
from scheduler.storage.keys import Keys
from scheduler.storage.workers import Worker, leave, report
from scheduler.worker.backlog import Backlog

MAX_FAILED = 3  #: modules that it could not import and names
MAX_REASON = 300  #: characters of the reason


class Presence:
    """This worker, as its consumer knows it, from its start to its stop; reads which modules it should have."""

    def __init__(self, settings: Settings, consumer: Any) -> None:
        self.consumer = consumer
        self.every = settings.run_lease / 3
        self.client, self.keys = connect(settings), Keys(settings.key_prefix)
        self.is_draining = self.has_left = False
        self.started = time.time()
        self.backlog = Backlog()
        self.counts_backlog = not settings.has_outbox
        signals.worker_shutting_down.connect(self.drain, weak=False)
        signals.worker_shutdown.connect(self.leave, weak=False)

    def renew(self) -> None:
        """Raises the errors of an absent Redis."""
        if self.has_left:
            return
        app, now = self.consumer.app, time.time()
        tasks = tuple(name for name in list(app.tasks) if not name.startswith("celery."))
        queues, busy = tuple(app.amqp.queues.consume_from), len(state.active_requests)
        slots = slots_of(self.consumer.pool)
        failed = tuple(reason[:MAX_REASON] for reason in sorted(app.scheduler_modules.failed.values())[:MAX_FAILED])
        what = queues, tasks, slots, busy, __version__, self.started, failed, self.waiting(queues), self.is_draining
        worker = Worker(self.consumer.hostname, now, self.every, *what)
        modules = report(self.client, self.keys, worker)
        if modules is not None:
            app.scheduler_modules.want(modules)

    def waiting(self, queues: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
        """How many messages waited in its queues; nothing if the broker is not this Redis."""
        return self.backlog.read(self.client, queues) if self.counts_backlog else {}

    def drain(self, **_: Any) -> None:
        """Celery calls this inside a signal handler, so the next report says it."""
        self.is_draining = True

    def leave(self, **_: Any) -> None:
        """A worker that stops as it should is no problem."""
        self.has_left = True
        with suppress(RedisError):
            leave(self.client, self.keys, self.consumer.hostname)


def slots_of(pool: Any) -> int:
    """How many bodies a pool of Celery's can run at once; 0 when it has ended, which it does before its worker."""
    try:
        return int(pool.num_processes)
    except AttributeError:
        return 0
