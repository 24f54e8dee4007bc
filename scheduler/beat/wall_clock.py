"""The wall clock, which can be set ahead and back, and its covered intervals: everything due in them was dealt with.

An instant is sent once. When the clock is set back, what fell due in a covered interval is not sent again, and what the
clock had left out, or what was missed because no beat led, falls due when its time comes.
"""

from __future__ import annotations

import json
import time
from datetime import datetime

from scheduler.events import emit
from scheduler.storage.client import Client
from scheduler.storage.instants import from_seconds
from scheduler.storage.keys import Keys

MIN_STEP_S = 60.0  #: a difference that counts as a step of the clock; a smaller one is waited for
MAX_INTERVALS = 50  #: covered intervals that are remembered

Interval = tuple[float, float]  # epoch seconds


class WallClock:
    """One for each term as leader; the covered intervals outlive it in Redis.

    ``last_led`` is when a beat led last, in epoch seconds, as far as Redis knows. Making one reads from Redis.
    """

    def __init__(self, client: Client, keys: Keys, last_led: float | None) -> None:
        self.client = client
        self.key = keys.clock
        self.covered, self.set_back_to, self.interval_start = read(client.get(self.key))
        self.still_ahead: list[tuple[datetime, datetime]] = []  #: covered, and the clock has yet to pass it again
        self.is_set_back = False  #: until the schedules are planned again
        self.is_unsaved = True
        self._read()
        if not last_led:
            self.interval_start = self.wall  # the leader before left no end for its interval
        self._find_still_ahead()
        # A leader that died within seconds of a step did not renew since, so ``last_led`` is from before the step.
        ended = max(last_led or self.wall, self.interval_start)
        if abs(self.wall - ended) >= MIN_STEP_S:
            self._end_interval(ended)

    def was_set(self) -> bool:
        """Whether the clock was set since the last look."""
        return abs(time.time() - self._expected()) >= MIN_STEP_S

    def look(self) -> None:
        """Notice whether the clock was set since the last look."""
        expected = self._expected()
        self._read()
        if abs(self.wall - expected) >= MIN_STEP_S:
            if self.wall > expected:
                emit("clock.set_ahead", seconds=self.wall - expected)
            self._end_interval(expected)
        if self.is_unsaved:
            stored = {"handled": self.covered, "back_at": self.set_back_to, "since": self.interval_start}
            self.client.set(self.key, json.dumps(stored))
            self.is_unsaved = False

    def _expected(self) -> float:
        """What the wall clock would show now: the monotonic clock cannot be set."""
        return self.wall + time.monotonic() - self.monotonic

    def _read(self) -> None:
        self.wall, self.monotonic = time.time(), time.monotonic()

    def _end_interval(self, end: float) -> None:
        """The interval until then is covered, and another one starts now."""
        self.covered = [*self.covered, (self.interval_start, end)][-MAX_INTERVALS:]
        self.interval_start = self.wall
        self.is_unsaved = True
        if self.wall < end:
            emit("clock.set_back", seconds=end - self.wall)
            self.set_back_to = self.wall
            self.is_set_back = True
            self._find_still_ahead()

    def _find_still_ahead(self) -> None:
        # The part of an interval before ``set_back_to`` is never passed again.
        start = self.set_back_to
        ahead = [(max(first, start), last) for first, last in self.covered if last > start > 0]
        self.still_ahead = [(from_seconds(first), from_seconds(last)) for first, last in ahead]


def read(text: str | None) -> tuple[list[Interval], float, float]:
    """Covered intervals, where the clock was last set back to, and the start of the open interval.

    Zeros where another program wrote there. The field names in Redis are those of the first release.
    """
    try:
        stored = json.loads(text or "{}")
        covered = [(float(first), float(last)) for first, last in stored.get("handled", ())]
        return covered, float(stored.get("back_at", 0)), float(stored.get("since", 0))
    except (ValueError, TypeError, AttributeError):
        return [], 0.0, 0.0
