"""Schedules in a store, and what is decided and sent of them minute by minute."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from scheduler.model import Entry, Run
from scheduler.sending.decide import decide
from scheduler.sending.dispatch import Dispatcher, Due
from scheduler.storage import entries
from scheduler.storage.client import Client
from scheduler.storage.ledger import Ledger
from scheduler.storage.store import Store, Write
from tests.support.beats import runs_sent
from tests.support.schedules import MINUTE, declared, entry_of

TASK = "scheduler.tasks.log_it"
HALF = MINUTE / 2


class Shop:
    """Schedules in the store, and what is decided over them."""

    def __init__(self, store: Store, dispatcher: Dispatcher, ledger: Ledger, now: datetime) -> None:
        self.store = store
        self.dispatcher = dispatcher
        self.ledger = ledger
        self.now = now

    def add(self, name: str = "job", late: timedelta = MINUTE, **fields: Any) -> Entry:
        """A schedule whose next due instant was computed so long ago; due once a minute, with overlap allowed."""
        fields = {"every": "1m", "overlap": "allow", "start": "1970-01-01T00:00Z", "args": [1, 2]} | fields
        wanted = declared(name, task=fields.pop("task", TASK), **fields)
        self.store.write([Write(name, None, entry_of(wanted, now=self.now - late))])
        return self.store.get(name)

    def due(self, *names: str, at: datetime | None = None) -> list[Due]:
        found = []
        for entry in self.store.read(names or self.store.names()):
            job = entries.job(entry)
            found.append(Due(entry, job, decide(entry, job, at or self.now), entry.due))
        return found

    def commit(self, *names: str, at: datetime | None = None, token: str = "ours") -> list[str]:
        return commit(self.dispatcher, self.due(*names, at=at), token)

    def tick(self, minutes: int, name: str = "job") -> list[str]:
        """What is due so many minutes from now; returns the outcomes of all runs, the oldest first."""
        self.commit(name, at=self.now + minutes * MINUTE)
        return self.outcomes(name)

    def outcomes(self, name: str = "job") -> list[str]:
        return [run.outcome for run in reversed(self.ledger.runs(name))]


def commit(dispatcher: Dispatcher, batch: Sequence[Due], token: str = "ours") -> list[str]:
    """Send a batch in one step; returns the names of those that were changed meanwhile."""
    replies = dispatcher.commit(dispatcher.arguments(batch, token))
    dispatcher.tell(batch, replies)
    return [batch[number].entry.name for number, outcomes in replies.items() if outcomes == ["changed"]]


def snapshot(client: Client) -> dict[str, object]:
    """Everything in Redis but what kombu notes of its queues, and the count of steps, which only grows."""
    readers = {
        "string": client.get,
        "hash": client.hgetall,
        "list": lambda key: client.lrange(key, 0, -1),
        "zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        "set": client.smembers,
        "stream": client.xrange,
    }
    ours = [key for key in client.scan_iter() if not key.startswith("_kombu") and not key.endswith(":commits")]
    return {key: readers[client.type(key)](key) for key in ours}


def claim(shop: Shop, which: int = 0) -> Run:
    """The worker takes the run of the message that waits longest."""
    identity = runs_sent(shop.store.client)[which]
    run = Run(identity, "job", 0.0, "running")
    assert shop.ledger.claim(run, "worker", "token") == "claimed"
    return run


def claim_and_close(shop: Shop, which: int = 0) -> None:
    assert shop.ledger.close(claim(shop, which).id, "succeeded", result="3")


def commit_at(dispatcher: Dispatcher, batch: Sequence[Due], seconds: float) -> None:
    """Commit with the clock at `seconds`."""
    real, time.time = time.time, lambda: seconds
    try:
        commit(dispatcher, batch)
    finally:
        time.time = real
