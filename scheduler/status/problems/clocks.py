"""Clocks that differ: the lock and the runs depend on this machine's and on that of Redis."""

from __future__ import annotations

import time
from collections.abc import Iterator

from scheduler.status.problems.facts import Facts
from scheduler.status.problems.problem import ServiceProblem

MAX_CLOCK_DIFFERENCE_S = 1.0


def look(facts: Facts) -> Iterator[ServiceProblem]:
    """Compare the clock of Redis's machine with ours."""
    before = time.time()
    seconds, micros = facts.client.time()
    after = time.time()
    ahead = seconds + micros / 1e6 - (before + after) / 2
    if abs(ahead) > MAX_CLOCK_DIFFERENCE_S + (after - before) / 2:
        which = "ahead of" if ahead > 0 else "behind"
        sentence = f"The clock of the Redis machine is {abs(ahead):.1f} s {which} this machine's"
        yield ServiceProblem(sentence, "run an NTP service on both", subject="clock")
