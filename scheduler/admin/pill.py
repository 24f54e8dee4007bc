"""The state of the service on every page: read at most once a second in each process, however many pages are open."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from scheduler.settings import Settings
from scheduler.status import problems
from scheduler.status.problems import unstarted
from scheduler.status.problems.facts import Facts
from scheduler.status.problems.headline import Headline, headline
from scheduler.status.problems.problem import ServiceProblem
from scheduler.storage.client import AWAY, REFUSED
from scheduler.storage.store import Store

MAX_AGE_S = 1.0
AWAY_WORDS = "Redis does not answer"


@dataclass
class Pill:
    """The newest headline."""

    store: Store
    settings: Settings
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _shown: Headline | None = None
    _unstarted: dict[str, ServiceProblem] = field(default_factory=dict)
    _read_at: float = 0.0

    def look(self) -> Headline:
        """The headline, at most MAX_AGE_S old. Never raises for a Redis that does not answer."""
        with self._lock:
            if self._shown is None or time.monotonic() - self._read_at > MAX_AGE_S:
                self._shown = self._read()
                self._read_at = time.monotonic()
            return self._shown

    def unstarted(self, name: str) -> ServiceProblem | None:
        """Why the runs of this schedule do not start; None for one that is neither late nor stuck."""
        self.look()
        return self._unstarted.get(name)

    def _read(self) -> Headline:
        facts = Facts(self.store, self.settings)
        try:
            worst = headline(facts, problems.with_kinds(facts))
            # Without a worker nothing starts, and the headline says that.
            late = facts.unstarted.schedules if facts.live_workers else ()
            self._unstarted = {it.name: unstarted.problem(it) for it in late}
            return worst
        except (*AWAY, *REFUSED, OSError):
            return Headline(AWAY_WORDS, 1)
