"""Queues that only grow, from what their workers read each minute.

A message of a plain call does not say when it was sent, so its age cannot be known: only how the number changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean
from typing import NamedTuple

from scheduler.storage.workers import Worker

SPAN = 10  #: readings, one a minute
READINGS = 3 * SPAN  #: that a worker keeps
MANY = 20  #: messages; a smaller growth is nothing that needs a person


class Growth(NamedTuple):
    """The first and the last reading of half an hour in which a queue grew."""

    before: int
    now: int


def growing(workers: Iterable[Worker]) -> dict[str, Growth]:
    """The queues that grow, by the live worker of each that has read for longest."""
    longest: dict[str, tuple[int, ...]] = {}
    for worker in workers:
        for queue, readings in worker.backlog.items():
            longest[queue] = max(longest.get(queue, ()), readings, key=len)
    return {queue: Growth(it[0], it[-1]) for queue, it in sorted(longest.items()) if grows(it)}


def grows(readings: tuple[int, ...]) -> bool:
    """Whether more wait in each ten minutes than in the ten before, and in the last five than in the five before.

    The lowest of the last ten is over MANY above the highest of the first ten. A burst that is being worked off does
    not count, also where it came within the middle ten: fewer wait in the last five minutes than in those before.
    """
    if len(readings) < READINGS:
        return False
    first, second, last = readings[-3 * SPAN : -2 * SPAN], readings[-2 * SPAN : -SPAN], readings[-SPAN:]
    goes_on = fmean(first) < fmean(second) < fmean(last) and max(last[5:]) > max(second)
    return goes_on and min(last) > max(first) + MANY
