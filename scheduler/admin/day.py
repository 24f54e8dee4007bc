"""Bars of what failed, was lost or was skipped in the last day; each leads to the list of its runs."""

from __future__ import annotations

import time
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
    red: float  #: height
    grey: float  #: height
    is_chosen: bool  #: whether the list has only this time, or a part of it
    query: dict[str, str]  #: of the list with this time alone

    @property
    def words(self) -> str:
        """Its time and numbers."""
        return f"{absolute(self.quarter.at)}: {in_words(self.quarter.went_wrong, self.quarter.skipped)}"

    def narrowed(self, outcome: str) -> dict[str, str]:
        """The query of the list with this time and one outcome."""
        return self.query | {"outcome": outcome}


@dataclass(frozen=True)
class Day:
    """The quarters of an hour in which there was something, oldest first."""

    bars: tuple[Bar, ...]
    begins: tuple[float, ...]  #: of all quarters, epoch seconds

    @property
    def words(self) -> str:
        """The picture in a sentence."""
        went_wrong = sum(bar.quarter.went_wrong for bar in self.bars)
        skipped = sum(bar.quarter.skipped for bar in self.bars)
        worst = max(self.bars, key=lambda bar: (bar.quarter.went_wrong, bar.quarter.skipped))
        return f"The last 24 hours: {in_words(went_wrong, skipped)}; the worst quarter of an hour was {worst.words}"


def of(ledger: Ledger, search: RunSearch) -> Day:
    """The last day, of all schedules."""
    found = quarters(ledger, time.time())
    most = max(MIN_FULL_HEIGHT, *(it.went_wrong + it.skipped for it in found))
    wanted = search.span
    bars = (
        Bar(
            it,
            number,
            height(it.went_wrong, most),
            height(it.skipped, most),
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


def in_words(went_wrong: int, skipped: int) -> str:
    """``5 failed or lost, 2 skipped``."""
    parts = ((went_wrong, "failed or lost"), (skipped, "skipped"))
    return ", ".join(f"{number} {word}" for number, word in parts if number)
