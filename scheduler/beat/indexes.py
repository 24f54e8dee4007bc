"""Keeps the indexes beside the ledgers right, while this beat leads."""

from __future__ import annotations

import time
from threading import Thread

import redis

from scheduler.storage import health
from scheduler.storage.client import AWAY, REFUSED, Client
from scheduler.storage.keys import Keys

CHECK_INTERVAL_S = 60.0


class Indexes:
    """Made once a term as leader."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client = client
        self.keys = keys
        self._checked_at: float | None = None  #: monotonic seconds
        self._thread = Thread()

    def keep(self) -> None:
        """Start a rebuild if one is due: an older release may have ended runs without a word to the indexes.

        In a thread, because reading 100 000 ledgers takes a minute.
        """
        now = time.monotonic()
        if self._thread.is_alive() or (self._checked_at is not None and now < self._checked_at + CHECK_INTERVAL_S):
            return
        self._checked_at = now
        self._thread = Thread(target=self._rebuild, name="indexes", daemon=True)
        self._thread.start()

    def _rebuild(self) -> None:
        try:
            health.rebuild_if_old(self.client, self.keys)
        except (*AWAY, *REFUSED, redis.ResponseError, OSError):
            self._checked_at = None  # try again in the next tick, which reports what is wrong with Redis
