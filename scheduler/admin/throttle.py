"""Slow down password guessing: each wrong password of an address doubles its waiting time."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

FREE_ATTEMPTS = 3  #: wrong passwords without a waiting time
MAX_WAIT_S = 300.0
RESET_AFTER_S = 900.0  #: without a wrong password, the count restarts after this long
MAX_ADDRESSES = 10_000


class Throttle:
    """Counts wrong passwords per address, in this process; times are monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._lock = threading.Lock()
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait(self, address: str) -> float:
        """Seconds until this address may try again; 0 if it may now."""
        with self._lock:
            count, at = self._wrong.get(address, (0, 0.0))
        return max(0.0, at + pause(count) - self.clock()) if count else 0.0

    def failed(self, address: str) -> None:
        """Count a wrong password."""
        now = self.clock()
        with self._lock:
            count, at = self._wrong.pop(address, (0, now))
            self._wrong[address] = (1 if now - at > RESET_AFTER_S else count + 1, now)
            if len(self._wrong) > MAX_ADDRESSES:
                self._wrong.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """Forget the wrong passwords of this address, after the right one."""
        with self._lock:
            self._wrong.pop(address, None)


def pause(count: int) -> float:
    """Seconds to wait after this many wrong passwords: 1, 2, 4 … from the FREE_ATTEMPTS-th on."""
    return 0.0 if count < FREE_ATTEMPTS else min(2.0 ** min(count - FREE_ATTEMPTS, 20), MAX_WAIT_S)
