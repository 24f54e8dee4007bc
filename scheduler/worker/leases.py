"""The leases of the runs that a worker has taken: without them, beat counts the runs as lost."""

from __future__ import annotations

import threading
import time

from scheduler.settings import Settings
from scheduler.storage.client import AWAY, REFUSED, connect
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.worker.requests import runs_of_this_worker


class LeaseRenewer(threading.Thread):
    """Renews the leases of what this worker runs, until the process ends."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(name="lease-keeper", daemon=True)
        # A client of its own: the pool may fork again while this thread uses it.
        self.ledger = Ledger(connect(settings), Keys(settings.key_prefix), settings)

    def run(self) -> None:
        """Renew the leases three times per lease, for as long as the process lives."""
        pause = self.ledger.lease / 3
        while True:
            time.sleep(pause)
            pause = self.renew()

    def renew(self) -> float:
        """Renew the leases of all its runs; returns the seconds until the next renewal."""
        pause = self.ledger.lease / 3
        try:
            self.ledger.renew(runs_of_this_worker())
        except (*AWAY, *REFUSED):  # the worker itself says so; when Redis is back, beat waits for us, but not long
            return min(pause / 4, 1.0)
        return pause
