"""Guessing passwords gets slower with every wrong one."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

FREE = 3  #: wrong passwords that cost nothing
LONGEST = 300.0  #: seconds that one more wrong password costs at most
FORGOTTEN = 900.0  #: seconds without a wrong password after which the count starts anew
REMEMBERED = 10_000  #: addresses


class Throttle:
    """Counts wrong passwords per address in this process; times are of a monotonic clock, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._lock = threading.Lock()
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait(self, address: str) -> float:
        """Seconds until this address may try again; 0 when it may now."""
        with self._lock:
            count, at = self._wrong.get(address, (0, 0.0))
        return max(0.0, at + pause(count) - self.clock()) if count else 0.0

    def failed(self, address: str) -> None:
        """One more wrong password."""
        now = self.clock()
        with self._lock:
            count, at = self._wrong.pop(address, (0, now))
            self._wrong[address] = (1 if now - at > FORGOTTEN else count + 1, now)
            if len(self._wrong) > REMEMBERED:
                self._wrong.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """The right password: what was wrong before is forgiven."""
        with self._lock:
            self._wrong.pop(address, None)


def pause(count: int) -> float:
    """Seconds to wait after so many wrong passwords: 1, 2, 4 … once the free ones are used up."""
    return 0.0 if count < FREE else min(2.0 ** min(count - FREE, 20), LONGEST)
