"""In which of the busiest minutes of the coming day a schedule is due, and with how many others."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple

from scheduler.model import Entry
from scheduler.status.ahead import BUSIEST, Ahead, ahead
from scheduler.status.catalogue import Catalogue, timing_key
from scheduler.status.read_model import Detail
from scheduler.storage.client import AWAY, REFUSED
from scheduler.storage.instants import clock
from scheduler.storage.store import Store

DAY = timedelta(days=1)
MAX_AGE_S = 30.0  #: of what is known of the minutes


class PileUp(NamedTuple):
    """A minute in which many schedules are due."""

    minute: int  #: its begin, epoch seconds
    others: int  #: how many besides the one that was asked for


class PileUps:
    """The pile-ups of the coming day, one object for each process; a request renews them, at most once in MAX_AGE_S.

    A thread renews them, since that may read every schedule, for seconds. No request waits: the first gets None.
    """

    def __init__(self, store: Store, catalogue: Catalogue) -> None:
        self.store = store
        self.catalogue = catalogue
        self._lock = threading.Lock()
        self._look = threading.Thread()
        self._read_at = float("-inf")
        self._worst: dict[str, PileUp] = {}

    def of(self, entry: Entry) -> PileUp | None:
        """The busiest of these minutes in which the entry is due, the first of equals; None if it is due in none."""
        with self._lock:
            if time.monotonic() - self._read_at > MAX_AGE_S and not self._look.is_alive():
                self._read_at = time.monotonic()
                self._look = threading.Thread(target=self._renew, name="pile-ups", daemon=True)
                self._look.start()
        return self._worst.get(timing_key(entry.name, entry.origin, entry.fields))

    def shared_by(self, detail: Detail) -> PileUp | None:
        """The same of a schedule as it is shown: one that is held is sent in no minute."""
        return None if detail.row.is_held else self.of(detail.entry)

    def _renew(self) -> None:
        with suppress(*AWAY, *REFUSED):  # every page says so itself
            view, now = self.catalogue.look(), clock()
            self._worst = worst(ahead(self.store, view, view.names, now, now + DAY))


def worst(coming: Ahead) -> dict[str, PileUp]:
    """The busiest minute of each group of schedules (see Ahead), if it is among the BUSIEST or has as many due."""
    named = coming.busiest(BUSIEST)
    least = named[-1][1] if named else 0
    made: dict[str, PileUp] = {}
    for minute, keys in sorted(coming.minutes.items()) if named else ():
        due = coming.due(minute)
        for key in keys if due >= least else ():
            if key not in made or due - 1 > made[key].others:
                made[key] = PileUp(minute, due - 1)
    return made
