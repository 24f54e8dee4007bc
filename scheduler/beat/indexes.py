"""Bounds the indexes beside the ledgers while a beat leads, and rebuilds them: after an update, and every hour.

A beat or worker of an older release that works beside this one writes ledgers and no indexes. So what it leaves wrong
is right again within an hour, and at once with ``rebuild``.
"""

from __future__ import annotations

import threading
import time

import redis

from scheduler.storage import health
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys

LOOK_INTERVAL_S = 60.0  #: seconds between two looks whether the indexes are old
SHARE = 0.1  #: of Redis's time that a rebuild may take


class Indexes:
    """One for each term as leader. A rebuild has a thread of its own, because 100 000 ledgers take minutes."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client = client
        self.keys = keys
        self.looked_at = float("-inf")  #: of the monotonic clock
        self.closed = threading.Event()
        self.thread: threading.Thread | None = None

    def keep(self) -> None:
        """Bound the indexes, and rebuild them if they are old or of another version; raises what redis-py raises."""
        if time.monotonic() - self.looked_at < LOOK_INTERVAL_S or (self.thread and self.thread.is_alive()):
            return
        self.looked_at = time.monotonic()
        health.bound(self.client, self.keys)
        if not health.is_fresh(self.client, self.keys):
            self.thread = threading.Thread(target=self._rebuild, name="indexes", daemon=True)
            self.thread.start()

    def _rebuild(self) -> None:
        """Rebuild in small steps with pauses. If Redis goes away, the next look starts again."""
        began, closed = time.monotonic(), self.closed
        try:
            for _ in health.rebuild_steps(self.client, self.keys):
                if closed.wait((time.monotonic() - began) * (1 / SHARE - 1)):
                    return
                began = time.monotonic()
        except (redis.RedisError, OSError):
            return

    def begin_again(self) -> None:
        """Look again in the next tick, and end a rebuild: what it wrote into an index may be lost."""
        self.close()
        self.closed, self.looked_at = threading.Event(), float("-inf")

    def close(self) -> None:
        """End a rebuild; the next leader makes it."""
        self.closed.set()
        if self.thread:
            self.thread.join(timeout=1.0)
