"""Reports to Redis that this worker lives, in the thread that renews its leases."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from celery import signals
from redis import RedisError

from scheduler.settings import Settings
from scheduler.storage import alive
from scheduler.storage.client import connect
from scheduler.storage.keys import Keys


class Presence:
    """This worker, as its consumer knows it, from its start to its stop."""

    def __init__(self, settings: Settings, consumer: Any) -> None:
        self.consumer = consumer
        self.every = settings.run_lease / 3
        self.client, self.keys = connect(settings), Keys(settings.key_prefix)
        self.has_left = False
        signals.worker_shutdown.connect(self.leave, weak=False)

    def renew(self) -> None:
        """Raises the errors of an absent Redis."""
        if not self.has_left:
            queues = self.consumer.app.amqp.queues.consume_from
            alive.report(self.client, self.keys, self.consumer.hostname, queues, self.every)

    def leave(self, **_: Any) -> None:
        """A worker that stops as it should is no problem."""
        self.has_left = True
        with suppress(RedisError):
            alive.leave(self.client, self.keys, self.consumer.hostname)
