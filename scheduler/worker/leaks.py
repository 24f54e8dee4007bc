"""When a process of the pool is replaced, so that what runs leave behind ends with it."""

from __future__ import annotations

import os

from scheduler.tasks.memory import resident


class Bound:
    """Kilobytes that a process may take after a run, as billiard compares them; no bound before a run with a limit.

    Each process of the pool has its own, and learns it from its runs: a schedule may get a limit while the worker runs.
    """

    def __init__(self) -> None:
        self.before = 0  #: bytes that the process took when its first run with a limit began
        self.kilobytes = 0

    def allow(self, max_memory: int) -> None:
        """A run that may use so many bytes begins. Allow them twice: once for leftovers, once for the next run."""
        self.before = self.before or resident(os.getpid())
        self.kilobytes = max(self.kilobytes, (self.before + 2 * max_memory) // 1024)

    def __gt__(self, nothing: int) -> bool:
        return self.kilobytes > nothing

    def __lt__(self, used: int) -> bool:
        return self.kilobytes < used

    def __str__(self) -> str:
        return str(self.kilobytes)


BOUND = Bound()
