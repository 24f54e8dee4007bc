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
from scheduler.timing.segments import EARLY, WallClock

TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)
#: before every due instant
BEGINNING = EARLY
#: excluded days in a row, and years, after which a search gives up: 4,000 are 11 years of a daily job
PATIENCE, YEARS = 4_000, 400


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
        """The first due instant strictly after, also when a calendar excludes it; None when there is none."""
        if after.tzinfo is not UTC:
            after = utc(after)
        if self.start is not None and after < self.start:
            after = self.start - TICK
        try:
            due = self.rule.after(after)
        except OverflowError:
            # Beside the first or the last days of the calendar, wall time does not fit a datetime.
            return self.next_due(BEGINNING) if after < BEGINNING else None
        return None if self.end is not None and due is not None and due > self.end else due

    def next_after(self, after: datetime) -> datetime | None:
        """The first due instant strictly after that no calendar excludes."""
        due = self.next_due(after)
        if self.calendar is None:
            return due
        for _ in range(PATIENCE):
            if due is None or not self.is_excluded(due):
                return due
            if due.year > after.year + YEARS:
                break
            due = self.next_due(self._same_day(due)[1] - TICK)
        return None

    def previous(self, at: datetime) -> datetime | None:
        """The last due instant at or before that no calendar excludes."""
        due = self._previous_due(utc(at))
        for _ in range(PATIENCE):
            if due is None or not self.is_excluded(due):
                return due
            due = self._previous_due(self._same_day(due)[0] - TICK)
        return None

    def between(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Due instants with after < due <= until, without the excluded ones."""
        due = self.next_after(after)
        while due is not None and due <= until:
            yield due
            due = self.next_after(due)

    def due_between(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Due instants with after < due <= until, excluded or not."""
        due = self.next_due(after)
        while due is not None and due <= until:
            yield due
            due = self.next_due(due)

    def is_excluded(self, due: datetime) -> bool:
        """Whether a calendar leaves out the day, in the schedule's zone, on which this instant falls."""
        return self.calendar is not None and self.calendar.covers(self._day(due))

    def send_at(self, due: datetime) -> datetime:
        """The due instant plus its jitter: the same for (name, due) everywhere, and before the next due instant."""
        if not self.jitter:
            return due
        following = self.next_due(due)
        room = self.jitter if following is None else min(self.jitter, following - due)
        digest = hashlib.blake2b(f"{self.name}\0{due.isoformat()}".encode(), digest_size=8).digest()
        return due + room // TICK * int.from_bytes(digest) // 2**64 * TICK

    def words(self) -> str:
        """The timing as one English sentence without its full stop."""
        said = describe(self.rule, self.zone)
        return said + bounds(self.clock, self.start, self.end, self.excluded, self.jitter)

    def _day(self, due: datetime) -> date:
        return self.clock.wall(utc(due)).date()

    def _same_day(self, due: datetime) -> tuple[datetime, datetime]:
        """From when until when, around an instant, the wall clock shows the same date without a change."""
        segment = self.clock.segment(due)
        wall = due + segment.offset
        since = wall - datetime.combine(wall.date(), time(), UTC)
        begin = segment.start if due - segment.start <= since else due - since
        end = segment.end if segment.end - due <= DAY - since else due + (DAY - since)
        return begin, end

    def _previous_due(self, at: datetime) -> datetime | None:
        """Search backwards with nothing but next_due, so that the two can never disagree."""
        if self.end is not None:
            at = min(at, self.end)
        floor = BEGINNING if self.start is None else self.start - TICK
        if at <= floor:
            return None
        span = self._stride(at)
        found = self.next_due(max(floor, at - span))
        while found is None or found > at:
            if at - floor <= span:
                return None
            span = min(8 * span, at - floor)
            found = self.next_due(at - span)
        return self._last_from(found, at)

    def _stride(self, at: datetime) -> timedelta:
        """How far back to look first: the distance between two due instants nearby."""
        first = self.next_due(at)
        second = None if first is None else self.next_due(first)
        return DAY if first is None or second is None else second - first

    def _last_from(self, found: datetime, at: datetime) -> datetime:
        """The last due instant at or before ``at``, from a due instant before it, by halving the stretch between."""
        high = at
        while (following := self.next_due(found)) is not None and following <= high:
            found = following
            middle = found + (high - found) / 2
            later = self.next_due(middle)
            if later is not None and later <= high:
                found = later
            else:
                high = middle
        return found
