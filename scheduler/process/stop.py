"""Signals for beat: noted at once. SIGTERM and SIGINT are obeyed between two steps or in the middle of a wait.

Celery's own handler releases the lock, logs and raises SystemExit between any two instructions. Raised inside a log
line it is swallowed and beat leads on; raised inside the C code that packs a command it ends the process by SIGSEGV.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Stop:
    """Whether this process was asked to stop, or to reload the schedule file (SIGHUP)."""

    def __init__(self) -> None:
        self.asked = False
        self.asked_to_reload = False
        self._waiting = False

    def take_signals(self) -> None:
        """Replace Celery's handlers, as early as possible; does nothing in a thread, which gets no signals.

        SIGHUP has none, and would end a process that is about to read its file anyway.
        """
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._ask)
            signal.signal(signal.SIGHUP, self._ask_to_reload)

    def check(self) -> None:
        """Raise SystemExit if it was asked for."""
        if self.asked:
            raise SystemExit

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Within it, being asked raises SystemExit at once."""
        self._waiting = True
        try:
            self.check()
            yield
        finally:
            self._waiting = False

    def _ask_to_reload(self, *_: object) -> None:
        self.asked_to_reload = True

    def _ask(self, *_: object) -> None:
        self.asked = True
        if self._waiting:
            raise SystemExit
