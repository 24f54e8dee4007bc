"""The wall clock, which is set ahead and back; and the stretches of it in which everything that fell due was handled.

An instant is sent once. When the clock is set back, what was handled is not sent again, and what the clock had left
out, or what was missed because no beat led, falls due when its time comes now.
"""

from __future__ import annotations

import json
import time
from datetime import datetime

from scheduler.events import emit
from scheduler.instants import from_seconds
from scheduler.redis_client import Client, Keys

STEP = 60.0  #: seconds that count as a step; less is waited for
REMEMBERED = 50  #: stretches

Stretch = tuple[float, float]  # epoch seconds


class WallClock:
    """The leader's; what it knows outlives the process in Redis."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client = client
        self.key = keys.clock
        self.handled: list[Stretch] = []  #: that ended with a step, or because no beat led
        self.ahead: list[tuple[datetime, datetime]] = []  #: of these, what the clock has yet to pass again
        self.back_at = self.since = self.wall = self.steady = 0.0

    def begin(self, led_until: float | None) -> bool:
        """This beat leads from now on. True when the clock was set back since somebody led."""
        stored = json.loads(self.client.get(self.key) or "{}")
        self.handled = [(first, last) for first, last in stored.get("handled", ())]
        self.back_at = stored.get("back_at", 0.0)
        self._look_ahead()
        now = self.wall = time.time()
        self.steady = time.monotonic()
        self.since = stored.get("since", 0.0) if led_until else now
        ended = max(led_until or now, self.since)  # a beat that died within seconds of a step did not renew since
        if abs(now - ended) >= STEP:
            return self._step(ended, now)
        self._save()
        return False

    def look(self) -> bool:
        """Whether the clock was set back since the last look."""
        before = self.wall + time.monotonic() - self.steady
        self.wall, self.steady = time.time(), time.monotonic()
        if abs(self.wall - before) < STEP:
            return False
        if self.wall > before:
            emit("clock.set_ahead", seconds=self.wall - before)
        return self._step(before, self.wall)

    def _step(self, before: float, now: float) -> bool:
        self.handled = [*self.handled, (self.since, before)][-REMEMBERED:]
        self.since = now
        if now < before:
            emit("clock.set_back", seconds=before - now)
            self.back_at = now
            self._look_ahead()
        self._save()
        return now < before

    def _look_ahead(self) -> None:
        stretches = [(max(first, self.back_at), last) for first, last in self.handled if last > self.back_at > 0]
        self.ahead = [(from_seconds(first), from_seconds(last)) for first, last in stretches]

    def _save(self) -> None:
        state = {"handled": self.handled, "back_at": self.back_at, "since": self.since}
        self.client.set(self.key, json.dumps(state))
