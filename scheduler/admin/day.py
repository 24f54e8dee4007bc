"""Bars of what failed, was lost or was skipped in the last day; each leads to the list of its runs."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass

from scheduler.admin.filters import absolute
from scheduler.admin.run_list import RunSearch
from scheduler.status.quarters import Quarter, quarters
from scheduler.status.wanted import WRONG
from scheduler.storage.instants import iso
from scheduler.storage.ledger import Ledger

MIN_FULL_HEIGHT = 4  #: runs that a bar of full height has at least, so that one run does not look like many


@dataclass(frozen=True)
class Bar:
    """A quarter of an hour in the picture, which is 100 wide and 100 high."""

    quarter: Quarter
    number: int  #: of the quarter, from the left
    red: float  #: height of what failed or was lost
    grey: float  #: height of what needs no person: skips, and expected failures
    is_chosen: bool  #: whether the list has only this time, or a part of it
    query: dict[str, str]  #: of the list with this time alone

    @property
    def words(self) -> str:
        """Its time and numbers."""
        its = self.quarter
        return f"{absolute(its.at)}: {in_words(its.went_wrong, its.skipped, its.expected)}"

    def narrowed(self, outcome: str) -> dict[str, str]:
        """The query of the list with this time and one outcome."""
        return self.query | {"outcome": outcome}


@dataclass(frozen=True)
class Day:
    """The quarters of an hour in which there was something, oldest first."""

    bars: tuple[Bar, ...]
    begins: tuple[float, ...]  #: of all quarters, epoch seconds

    @property
    def expected(self) -> int:
        """How many of these are failures of schedules that are expected to fail."""
        return sum(bar.quarter.expected for bar in self.bars)

    @property
    def words(self) -> str:
        """The picture in a sentence."""
        went_wrong = sum(bar.quarter.went_wrong for bar in self.bars)
        skipped = sum(bar.quarter.skipped for bar in self.bars)
        worst = max(self.bars, key=lambda bar: badness(bar.quarter))
        sums = in_words(went_wrong, skipped, self.expected)
        return f"The last 24 hours: {sums}; the worst quarter of an hour was {worst.words}"


def badness(quarter: Quarter) -> tuple[int, ...]:
    """What orders quarters: what needs a person comes first."""
    return quarter.went_wrong - quarter.expected, quarter.went_wrong, quarter.skipped


def of(ledger: Ledger, search: RunSearch, expected: Collection[str]) -> Day:
    """The last day, of all schedules; ``expected`` names those that are expected to fail."""
    found = quarters(ledger, time.time(), expected)
    most = max(MIN_FULL_HEIGHT, *(it.went_wrong + it.skipped for it in found))
    wanted = search.span
    bars = (
        Bar(
            it,
            number,
            height(it.went_wrong - it.expected, most),
            height(it.skipped + it.expected, most),
            wanted is not None and wanted[0] <= it.last and it.at <= wanted[1],
            query_of(search, it),
        )
        for number, it in enumerate(found)
        if it.went_wrong or it.skipped
    )
    return Day(tuple(bars), tuple(it.at for it in found))


def height(count: int, most: int) -> float:
    """Of 100; at least 4, so that one run among thousands is seen."""
    return round(max(100 * count / most, 4), 1) if count else 0.0


def query_of(search: RunSearch, quarter: Quarter) -> dict[str, str]:
    """The search with this time, and with the outcome that matters most in it."""
    since, until = ((iso(at) or "").rstrip("Z")[:23] for at in (quarter.at, quarter.last))
    outcome = WRONG if quarter.went_wrong else "skipped"
    return search.query(since=since, until=until, last="", outcome=outcome, by="")


def in_words(went_wrong: int, skipped: int, expected: int) -> str:
    """``5 failed or lost (3 expected), 2 skipped``."""
    parts = ((went_wrong, f"failed or lost{f' ({expected} expected)' if expected else ''}"), (skipped, "skipped"))
    return ", ".join(f"{number} {word}" for number, word in parts if number)
