"""The wait for a Redis that does not answer, or refuses for now."""

from __future__ import annotations

import time

from scheduler.events import emit
from scheduler.process import notify
from scheduler.process.stop import Stop
from scheduler.settings import Settings
from scheduler.storage.client import REFUSED
from scheduler.storage.refusals import sentence

RETRY_PAUSES_S = (0.5, 1.0, 2.0)  #: seconds between attempts; the last one repeats


class Outage:
    """From the first failure to the next success; logged once at each end."""

    def __init__(self, stop: Stop, settings: Settings) -> None:
        self.stop = stop
        self.settings = settings
        self.failures = 0
        self.since = 0.0

    def wait(self, error: Exception) -> None:
        """Tell systemd, and pause; raises SystemExit when this process is asked to stop."""
        problem = sentence(error, self.settings)
        if not self.failures:
            self.since = time.monotonic()
            emit("beat.redis_refuses" if isinstance(error, REFUSED) else "beat.redis_away", problem=problem)
        notify.waiting_for_redis(self.since, problem)
        with self.stop.waiting():
            time.sleep(RETRY_PAUSES_S[min(self.failures, len(RETRY_PAUSES_S) - 1)])
        self.failures += 1

    def end(self) -> None:
        """Redis answered a whole tick."""
        if self.failures:
            emit("beat.redis_back", seconds=time.monotonic() - self.since)
        self.failures = 0
