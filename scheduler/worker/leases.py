"""The leases of what a worker has taken: without them, beat counts its runs as lost, and its messages return."""

from __future__ import annotations

import time
from collections.abc import Callable

import redis

from scheduler.settings import Settings
from scheduler.storage.client import connect
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.storage.lua import script_text
from scheduler.worker.message_renewer import MessageRenewer
from scheduler.worker.native_thread import start_thread
from scheduler.worker.presence import Presence
from scheduler.worker.requests import runs_of_this_worker

MAX_RETRY_PAUSE_S = 1.0


class LeaseRenewer:
    """Renews the leases of what this worker runs and holds, in a thread, until the process ends."""

    def __init__(self, settings: Settings, presence: Presence | None = None) -> None:
        # Clients of its own: the pool may fork again while this thread uses them.
        self.ledger = Ledger(connect(settings), Keys(settings.key_prefix), settings)
        for name in ("claim", "close"):
            script_text(name)  # children that the pool forks later need not make it again
        self.presence = presence
        self.messages = None if settings.speaks_amqp else MessageRenewer(settings)

    def start(self) -> None:
        start_thread(self.run)

    def run(self) -> None:
        """Renew the leases three times per lease, for as long as the process lives."""
        while True:
            time.sleep(self.renew())

    def renew(self) -> float:
        """Renew all leases; returns the seconds until the next renewal."""
        done = [reached(lambda: self.ledger.renew(runs_of_this_worker()))]
        if self.presence:
            done.append(reached(self.presence.renew))
        if self.messages:
            done.append(reached(self.messages.renew))
        pause = self.ledger.lease / 3
        return pause if all(done) else min(pause / 4, MAX_RETRY_PAUSE_S)


def reached(renew: Callable[[], None]) -> bool:
    """Whether Redis could be asked. The worker itself says when it is away; others give us time, but not long."""
    try:
        renew()
    except redis.RedisError:  # of any kind: if this thread ended, beat would take its runs for lost
        return False
    return True
