"""Slow down password guessing without locking anyone out.

After a few wrong passwords, from one address or in all, a password is looked at only in its turn: one each second.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable

FREE_ATTEMPTS = 3  #: wrong passwords of an address without a waiting time
FREE_ATTEMPTS_IN_ALL = 30  #: of all addresses together: guesses may come from many
TURN_S = 1.0  #: seconds between two turns
MAX_WAITING = 3  #: requests that wait for a turn; each holds a thread
MAX_WAITING_EACH = 2  #: of one address: a guesser takes one, and leaves one for whoever shares a proxy with it
RESET_AFTER_S = 900.0  #: without a wrong password, the count restarts after this long
MAX_ADDRESSES = 10_000
ACCOUNT = ""  #: in the place of an address: the only user


class Throttle:
    """Counts wrong passwords per address and in all, in this process; times are monotonic seconds."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.clock = clock
        self.sleep = sleep
        self._lock = threading.Lock()
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._next_turn = 0.0
        self._waiting = Counter[str]()  #: requests that wait for their turn, by address

    def admit(self, address: str) -> bool:
        """Let a password be looked at, in its turn where the door is slow; False while too many wait."""
        with self._lock:
            if not self._is_slow(address):
                return True
            wait = max(self._next_turn - self.clock(), 0.0)
            if wait > MAX_WAITING * TURN_S or self._waiting[address] >= MAX_WAITING_EACH:
                return False
            self._next_turn = self.clock() + wait + TURN_S
            self._waiting[address] += 1
        self.sleep(wait)
        with self._lock:
            self._waiting -= Counter((address,))
        return True

    def _is_slow(self, address: str) -> bool:
        return self._count(address) >= FREE_ATTEMPTS or self._count(ACCOUNT) >= FREE_ATTEMPTS_IN_ALL

    def _count(self, address: str) -> int:
        count, at = self._wrong.get(address, (0, 0.0))
        return count if self.clock() - at <= RESET_AFTER_S else 0

    def failed(self, address: str) -> None:
        """Count a wrong password."""
        with self._lock:
            for counted in (address, ACCOUNT):
                count = self._count(counted)
                self._wrong.pop(counted, None)
                self._wrong[counted] = (count + 1, self.clock())
            if len(self._wrong) > MAX_ADDRESSES:
                self._wrong.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """Forget the wrong passwords of this address, after the right one."""
        with self._lock:
            self._wrong.pop(address, None)
