"""When a leader looks for what other programs did with RedBeat's API, which announces nothing."""

from __future__ import annotations

import time

from scheduler.beat.listener import Listener
from scheduler.beat.memory import Memory
from scheduler.beat.sender import Sender

LOOK_INTERVAL_S = 1.0  #: seconds between two looks at some entries, where Redis does not tell of changes
HEARD_LOOK_INTERVAL_S = 60.0  #: the same where it does, in case a word of it was lost


class Outside:
    """One for each term as leader. Redis tells that the index was changed, and neither by whom nor which entry."""

    def __init__(self, listener: Listener, sender: Sender, memory: Memory) -> None:
        self.listener, self.sender, self.memory = listener, sender, memory
        self.looked_at = 0.0
        self.counted = (0, 0)  #: changes and commits of this service when beat heard last
        self.may_hide = False  #: whether another program may have changed an entry beside them

    @property
    def is_told(self) -> bool:
        """Whether there is nothing to look for until Redis tells of it."""
        return self.listener.hears_index and not self.may_hide

    def look(self) -> None:
        """Look at every entry if another program changed one, and at some from time to time."""
        now = time.monotonic()
        if self.sender.passes or now - self.looked_at >= (HEARD_LOOK_INTERVAL_S if self.is_told else LOOK_INTERVAL_S):
            self.looked_at, self.may_hide = now, False
            self.sender.look_around()

    def hear(self) -> None:
        """Take in whether the index was changed; call it right after the counters of changes and commits were read.

        If they count no change, another program made it. If they do, one of another program may hide beside it, and
        the next look finds that.
        """
        counted = self.memory.revision, self.memory.commits
        news = self.listener.take_index()
        if news == "unknown" or (news and counted == self.counted):
            self.sender.look_at_all()
        self.may_hide = self.may_hide or bool(news)
        self.counted = counted
