"""How many runs failed, were lost or were skipped in each quarter of an hour of a day."""

from __future__ import annotations

import math
from typing import NamedTuple

from scheduler.storage.ledger import Ledger

QUARTER_S = 900
HOUR_S = 3600
QUARTERS = 100  #: a day and the present hour


class Quarter(NamedTuple):
    """By due instants, as a list of runs has them; a stretch of skips counts once, at its end."""

    at: float  #: its begin, epoch seconds
    went_wrong: int = 0  #: failed or lost
    skipped: int = 0

    @property
    def last(self) -> float:
        """Its last instant."""
        return last_of(self.at)


def quarters(ledger: Ledger, now: float) -> tuple[Quarter, ...]:
    """Those of the last 24 hours and of the hour of ``now`` (epoch seconds), oldest first. Takes one round trip."""
    first = math.floor(now / HOUR_S) * HOUR_S - 24 * HOUR_S
    begins = [float(first + at * QUARTER_S) for at in range(QUARTERS)]
    counts = ledger.counts([(begin, last_of(begin)) for begin in begins])
    return tuple(Quarter(begin, *both) for begin, both in zip(begins, counts, strict=True))


def last_of(begin: float) -> float:
    """The last instant of a quarter of an hour, in milliseconds, which the time in a form can have."""
    return begin + QUARTER_S - 0.001
