"""How many messages wait in the queues of this worker, once a minute for the last half hour."""

from __future__ import annotations

import time
from collections.abc import Sequence

from scheduler.status.growing import READINGS
from scheduler.storage.client import Client
from scheduler.storage.queues import messages

READING_S = 60.0  #: seconds between two readings
MAX_QUEUES = 20


class Backlog:
    """The readings by queue, the newest last; the report of the worker carries them, so Redis keeps no more."""

    def __init__(self) -> None:
        self.readings: dict[str, tuple[int, ...]] = {}
        self.read_at = float("-inf")  #: monotonic

    def read(self, client: Client, queues: Sequence[str]) -> dict[str, tuple[int, ...]]:
        """The readings, with another one if it is time. Raises what redis-py raises."""
        if time.monotonic() - self.read_at >= READING_S:
            waiting = messages(client, queues[:MAX_QUEUES])
            self.read_at = time.monotonic()
            self.readings = {
                queue: (*self.readings.get(queue, ()), length)[-READINGS:] for queue, length in waiting.items()
            }
        return self.readings
