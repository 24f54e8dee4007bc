"""The wall clock, which is set ahead and back; and the stretches of it in which everything that fell due was handled.

An instant is sent once. When the clock is set back, what was handled is not sent again, and what the clock had left
out, or what was missed because no beat led, falls due when its time comes now.
"""

from __future__ import annotations

import json
import time
from datetime import datetime

from scheduler.events import emit
from scheduler.storage.client import Client
from scheduler.storage.instants import from_seconds
from scheduler.storage.keys import Keys

STEP = 60.0  #: seconds that count as a step; less is waited for
REMEMBERED = 50  #: stretches

KEPT = ("handled", "back_at", "since")

Stretch = tuple[float, float]  # epoch seconds


class WallClock:
    """The leader's; what it knows outlives the process in Redis."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client = client
        self.key = keys.clock
        self.handled: list[Stretch] = []  #: that ended with a step, or because no beat led
        self.ahead: list[tuple[datetime, datetime]] = []  #: of these, what the clock has yet to pass again
        self.is_set_back = False  #: until somebody has planned anew
        self.led_until: float | None = None
        self.back_at = self.since = self.wall = self.steady = 0.0
        self.begun = self.unsaved = False

    def begin(self, led_until: float | None) -> None:
        """This beat leads from now on; somebody led until then, as far as that is known."""
        self.led_until = led_until
        self.begun = self.is_set_back = False

    def look(self) -> None:
        """Notice whether the clock was set since the last look, or since somebody led."""
        if not self.begun:
            self._begin()
        else:
            before = self.wall + time.monotonic() - self.steady
            self._read()
            if abs(self.wall - before) >= STEP:
                if self.wall > before:
                    emit("clock.set_ahead", seconds=self.wall - before)
                self._step(before)
        if self.unsaved:
            self.client.set(self.key, json.dumps({name: getattr(self, name) for name in KEPT}))
            self.unsaved = False

    def _begin(self) -> None:
        text = self.client.get(self.key)
        self._read()
        self.handled, self.back_at, self.since = read(text)
        self.since = self.since if self.led_until else self.wall
        self._look_ahead()
        self.begun = self.unsaved = True
        ended = max(self.led_until or self.wall, self.since)  # who died within seconds of a step did not renew since
        if abs(self.wall - ended) >= STEP:
            self._step(ended)

    def _read(self) -> None:
        self.wall, self.steady = time.time(), time.monotonic()

    def _step(self, before: float) -> None:
        self.handled = [*self.handled, (self.since, before)][-REMEMBERED:]
        self.since = self.wall
        self.unsaved = True
        if self.wall < before:
            emit("clock.set_back", seconds=before - self.wall)
            self.back_at = self.wall
            self.is_set_back = True
            self._look_ahead()

    def _look_ahead(self) -> None:
        stretches = [(max(first, self.back_at), last) for first, last in self.handled if last > self.back_at > 0]
        self.ahead = [(from_seconds(first), from_seconds(last)) for first, last in stretches]


def read(text: str | None) -> tuple[list[Stretch], float, float]:
    """What was kept; nothing where somebody else wrote there."""
    try:
        kept = json.loads(text or "{}")
        stretches = [(float(first), float(last)) for first, last in kept.get("handled", ())]
        return stretches, float(kept.get("back_at", 0)), float(kept.get("since", 0))
    except (ValueError, TypeError, AttributeError):
        return [], 0.0, 0.0
