"""When a process that ended is started again."""

from __future__ import annotations

import time

from scheduler.up.process import Process, Program

MAX_RESTART_PAUSE_S = 30.0  # between two starts of a process that keeps ending
STABLE_AFTER_S = 60.0  # a process that ran this long restarts without an extra pause


class Restarts:
    """Which programs to restart, and when: the pause doubles for one that keeps ending."""

    def __init__(self) -> None:
        self.pauses: dict[str, float] = {}
        self.waiting: dict[float, Program] = {}

    def add(self, process: Process) -> float:
        """Plan the restart; return the seconds until then."""
        was_stable = time.monotonic() - process.started > STABLE_AFTER_S
        pause = 1.0 if was_stable else min(2 * self.pauses.get(process.name, 0.5), MAX_RESTART_PAUSE_S)
        self.pauses[process.name] = pause
        self.waiting[time.monotonic() + pause] = process.program
        return pause

    def seconds_left(self) -> float | None:
        """Seconds until the next restart; None if none is planned."""
        return max(0.0, min(self.waiting) - time.monotonic()) if self.waiting else None

    def due(self) -> list[Program]:
        """The programs whose pause is over, each once."""
        return [self.waiting.pop(at) for at in sorted(self.waiting) if at <= time.monotonic()]
