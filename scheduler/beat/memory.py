"""What a leader remembers without Redis, which may lose or roll back its data."""

from __future__ import annotations

from datetime import datetime


class Memory:
    """Outlives one term as leader: a beat that lost the lock together with Redis's data still knows what it sent."""

    def __init__(self) -> None:
        self.sent_all: datetime | None = None  #: everything that fell due up to then was sent
        self.sent_some: datetime | None = None  #: the same for some of it; later than ``sent_all``, or equal
        #: Schedules that were sent after ``sent_all``, with the instant of sending: what fell due up to then was sent.
        self.sent_lately: dict[str, datetime] = {}
        self.revision = 0  #: the highest number of a change that Redis has told
        self.commits = 0  #: how many steps that sent something Redis has counted at least
        #: What fell due up to then was sent before Redis came back with older data, which calls it due again.
        self.forgotten_until: datetime | None = None
        #: The same for single schedules, after Redis lost everything.
        self.forgotten_lately: dict[str, datetime] = {}

    def note_sent(self, until: datetime, *, everything: bool) -> None:
        """What fell due up to then was sent: some of it, or everything."""
        self.sent_some = max(self.sent_some or until, until)
        if everything:
            self.sent_all = max(self.sent_all or until, until)
            self.sent_lately = {name: at for name, at in self.sent_lately.items() if at > self.sent_all}

    def forget_sent(self) -> None:
        """Another beat leads now, or the clock was set back: what was sent last is no guide any more."""
        self.sent_all = self.sent_some = self.forgotten_until = None
        self.sent_lately, self.forgotten_lately = {}, {}
