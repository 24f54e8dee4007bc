"""The Timing object: one rule, and what every kind shares: start, end, excluded days, jitter."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from scheduler.timing.calendars import Calendar
from scheduler.timing.english.words import bounds, describe
from scheduler.timing.instants import utc
from scheduler.timing.rules import Rule
from scheduler.timing.segments import EARLIEST, LATEST, WallClock

TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)
BEGINNING = EARLIEST  #: before every due instant
MAX_EXCLUDED_DAYS = 4_000  #: excluded days in a row after which a search gives up: 11 years of a daily job
MAX_YEARS = 400  #: years after which a search gives up


@dataclass(frozen=True, slots=True)
class Timing:
    """When a schedule is due. Made by ``build``; all instants that go in and come out are aware UTC."""

    kind: str
    text: str
    zone: str = "UTC"
    name: str = ""
    start: datetime | None = None
    end: datetime | None = None
    excluded: tuple[str, ...] = ()
    jitter: timedelta = timedelta(0)
    rule: Rule = field(kw_only=True, repr=False, compare=False)
    clock: WallClock = field(kw_only=True, repr=False, compare=False)
    calendar: Calendar | None = field(kw_only=True, default=None, repr=False, compare=False)

    def next_due(self, after: datetime) -> datetime | None:
        """The first due instant strictly after ``after``, excluded ones included; None if there is none."""
        if after.tzinfo is not UTC:
            after = utc(after)
        if self.start is not None and after < self.start:
            # The search is strictly after, and the start itself may be due.
            after = self.start - TICK
        try:
            due = self.rule.after(after)
        except OverflowError:
            # Near the years 1 and 9999, wall time does not fit a datetime.
            return self.next_due(BEGINNING) if after < BEGINNING else None
        last = LATEST if self.end is None else min(self.end, LATEST)
        return None if due is not None and due > last else due

    def next_after(self, after: datetime) -> datetime | None:
        """The first due instant strictly after ``after`` that no calendar excludes."""
        due = self.next_due(after)
        if self.calendar is None:
            return due
        for _ in range(MAX_EXCLUDED_DAYS):
            if due is None or not self.is_excluded(due):
                return due
            if due.year > after.year + MAX_YEARS:
                break
            # The rest of the excluded day may have 86,400 due instants: jump over it.
            due = self.next_due(self._end_of_day(due) - TICK)
        return None

    def each_after(self, after: datetime) -> Iterator[datetime]:
        """Every due instant after ``after`` that no calendar excludes."""
        while (instant := self.next_after(after)) is not None:
            yield (after := instant)

    def is_excluded(self, due: datetime) -> bool:
        """Whether a calendar excludes the day of this instant in the schedule's zone."""
        return self.calendar is not None and self.calendar.covers(self._day(due))

    def send_at(self, due: datetime) -> datetime:
        """The due instant plus its jitter: the same for (name, due) everywhere, and before the next due instant."""
        if not self.jitter:
            return due
        following = self.next_due(due)
        # A delay that reaches the next due instant could let that one overtake it.
        room = self.jitter if following is None else min(self.jitter, following - due)
        digest = hashlib.blake2b(f"{self.name}\0{due.isoformat()}".encode(), digest_size=8).digest()
        return due + room // TICK * int.from_bytes(digest) // 2**64 * TICK

    def words(self) -> str:
        """The timing as one English sentence without its full stop."""
        rule = describe(self.rule, self.zone)
        return rule + bounds(self.clock, self.start, self.end, self.excluded, self.jitter)

    def _day(self, due: datetime) -> date:
        return self.clock.wall(utc(due)).date()

    def _end_of_day(self, due: datetime) -> datetime:
        """Until when the wall clock shows the date of this instant, and is not changed."""
        segment = self.clock.segment(due)
        wall = due + segment.offset
        rest = DAY - (wall - datetime.combine(wall.date(), time(), UTC))
        # A clock change ends the arithmetic: the caller looks again from there.
        return segment.end if segment.end - due <= rest else due + rest
