"""A worker that does nothing but report itself."""

from __future__ import annotations

import time

from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.workers import Worker, report

QUEUES = ("celery",)


def seem_to_work(
    client: Client, keys: Keys, name: str = "celery@host", every: float = 10.0, queues: tuple[str, ...] = QUEUES
) -> None:
    """Report a worker that takes from these queues."""
    report(client, keys, Worker(name, time.time(), every, queues))
