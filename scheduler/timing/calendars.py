"""Days that a schedule leaves out: dates, and recurrence rules that stand for dates."""

from __future__ import annotations

from datetime import date
from functools import lru_cache

from scheduler.timing.instants import parse_date


class Calendar:
    """A set of dates, some of them given by rules."""

    def __init__(self, dates: frozenset[date]) -> None:
        self.dates = dates

    def covers(self, day: date) -> bool:
        return day in self.dates


@lru_cache(maxsize=1024)
def calendar(excluded: tuple[str, ...]) -> Calendar:
    """The calendar of some ``excluded`` items; TimingError (field ``except``) for one that is neither date nor rule."""
    return Calendar(frozenset(parse_date(item, "except") for item in excluded))
