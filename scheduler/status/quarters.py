"""How many runs failed, were lost or were skipped in each quarter of an hour of a day."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection
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
    expected: int = 0  #: of those that failed or were lost, by schedules that are expected to fail now

    @property
    def last(self) -> float:
        """Its last instant."""
        return last_of(self.at)


def quarters(ledger: Ledger, now: float, expected: Collection[str] = ()) -> tuple[Quarter, ...]:
    """Those of the last 24 hours and of the hour of ``now`` (epoch seconds), oldest first.

    ``expected`` names the schedules that are expected to fail. Takes one round trip, and with such schedules another.
    """
    first = math.floor(now / HOUR_S) * HOUR_S - 24 * HOUR_S
    begins = [float(first + at * QUARTER_S) for at in range(QUARTERS)]
    counts = ledger.counts([(begin, last_of(begin)) for begin in begins])
    its = ledger.instants_of_failures(expected, begins[0], last_of(begins[-1])) if expected else ()
    of_expected = Counter(int((at - first) // QUARTER_S) for at in its)
    # The second look may see one more: no quarter has more expected failures than failures.
    return tuple(
        Quarter(begin, wrong, skipped, min(of_expected[number], wrong))
        for number, (begin, (wrong, skipped)) in enumerate(zip(begins, counts, strict=True))
    )


def last_of(begin: float) -> float:
    """The last instant of a quarter of an hour, in milliseconds, which the time in a form can have."""
    return begin + QUARTER_S - 0.001
