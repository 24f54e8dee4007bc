"""What Redis knows of the service, read when a kind of problem asks for it, and once for all kinds."""

from __future__ import annotations

import socket
import time
from functools import cached_property
from typing import Any

import redis

from scheduler.command_name import start_command
from scheduler.settings import Settings
from scheduler.status.unstarted import AllUnstarted, unstarted
from scheduler.storage import lock
from scheduler.storage.client import Client, refusal_of_writes
from scheduler.storage.keys import Keys
from scheduler.storage.records import loads, read_or
from scheduler.storage.store import Store
from scheduler.storage.workers import Worker
from scheduler.storage.workers import workers as known_workers

STANDBY_S = 30.0  #: a standby that was not heard of for so long has gone


class Facts:
    """One look at the service. Its clock is this machine's, in epoch seconds."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store = store
        self.settings = settings
        self.now = time.time()

    @property
    def client(self) -> Client:
        return self.store.client

    @property
    def keys(self) -> Keys:
        return self.store.keys

    @cached_property
    def refusal(self) -> Exception | None:
        """Why Redis accepts no writes; None if it does."""
        return refusal_of_writes(self.client, self.keys)

    @cached_property
    def info(self) -> dict[str, Any]:
        """Redis's INFO; empty for a user of Redis who may not ask."""
        try:
            found: dict[str, Any] = self.client.info()
        except redis.exceptions.NoPermissionError:
            return {}
        return found

    @cached_property
    def leader(self) -> lock.Holder | None:
        return lock.holder(self.client, self.keys)

    @cached_property
    def standbys(self) -> tuple[str, ...]:
        return tuple(self.client.zrangebyscore(self.keys.standbys, self.now - STANDBY_S, "+inf"))

    @cached_property
    def file(self) -> dict[str, str]:
        """What became of the schedule file; see ``Store.file_facts``."""
        return self.store.file_facts()

    @cached_property
    def expected_to_fail(self) -> frozenset[str]:
        """Schedules with ``alerts: {off: why}`` in the last good file."""
        nothing: frozenset[str] = frozenset()
        return read_or(nothing, names, self.file.get("expected_to_fail") or "[]")

    @cached_property
    def workers(self) -> tuple[Worker, ...]:
        """Those that report, and those that ended without a word."""
        return known_workers(self.client, self.keys)

    @property
    def live_workers(self) -> tuple[Worker, ...]:
        return tuple(worker for worker in self.workers if not worker.is_silent(self.now))

    @cached_property
    def unstarted(self) -> AllUnstarted:
        """The schedules that are late or stuck."""
        return unstarted(self.store, self.taken_queues, self.now)

    @property
    def taken_queues(self) -> frozenset[str]:
        """The queues that a live worker takes from."""
        return frozenset(queue for worker in self.live_workers for queue in worker.queues)

    @property
    def place(self) -> str:
        """``on web1: `` if the leader's file is on another host."""
        here = socket.gethostname()
        return "" if self.file.get("host", here) == here else f"on {self.file['host']}: "

    def start(self, what: str = "celery-beat") -> str:
        """How to start a part of the service, on the host of the leader's file."""
        return f"{self.place}start one with `{start_command(what, beats=self.file.get('command', ''))}`"


def names(text: str) -> frozenset[str]:
    """Raises ValueError."""
    found = loads(text)
    if not isinstance(found, list):
        raise ValueError("names are a list")
    return frozenset(map(str, found))
