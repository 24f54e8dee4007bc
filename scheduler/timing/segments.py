"""A zone as segments of constant UTC offset, and the search for wall readings across them.

Inside a segment, wall time is plain arithmetic. All rules about clock changes are in ``WallClock.after``.
Instants are in UTC. A wall reading is a datetime with the digits of the wall clock and UTC as its zone, so that
arithmetic needs no conversions.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from scheduler.timing.zones import Changes, changes, get_zone, offset_at

#: a jump of this size or more is a correction of the clock, as in Debian's cron: skipped readings do not run later
CORRECTION = timedelta(hours=3)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
#: segments are computed in blocks on demand, so that distant years cost nothing until needed
BLOCK_DAYS = 512
#: shorter than the time between two changes by a zone's closing rule, which has two a year
PROBE_STEP = timedelta(days=8)
#: before every change of any zone, and arithmetic with any offset still fits a datetime
EARLIEST = datetime(1, 1, 8, tzinfo=UTC)
LATEST = datetime(9999, 12, 25, tzinfo=UTC)  #: after every due instant, for the same reason
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

#: the first reading at or after a wall time, or None; the search must end by itself
Reading = Callable[[datetime], datetime | None]


@dataclass(frozen=True, slots=True)
class Segment:
    """A period ``start <= instant < end`` with one offset from UTC."""

    start: datetime
    end: datetime
    offset: timedelta
    ahead: timedelta  #: offset plus one second
    wall_end: datetime  #: the reading at which the next segment starts
    fresh: datetime  #: readings before this one occurred in an earlier segment


class WallClock:
    """One zone's segments; safe to share between threads, since its only state is a cache."""

    def __init__(self, name: str, zone: tzinfo, changes: Changes) -> None:
        self.name = name
        self.zone = zone
        self.known = changes
        self.blocks: dict[int, tuple[Segment, ...]] = {}
        self.recent = self.segment(datetime(2026, 1, 1, tzinfo=UTC))

    def __reduce__(self) -> tuple[Any, ...]:
        # A ZoneInfo read from a file cannot be pickled; its name can.
        if isinstance(self.zone, ZoneInfo):
            return wall_clock, (self.name,)
        return WallClock, (self.name, self.zone, self.known)

    def segment(self, instant: datetime) -> Segment:
        """The segment that contains an instant."""
        number = instant.toordinal() // BLOCK_DAYS
        block = self.blocks.get(number)
        if block is None:
            block = self.blocks[number] = self._cut(number)
        for segment in block:
            if instant < segment.end:
                break
        self.recent = segment
        return segment

    def after(self, instant: datetime, reading: Reading, fixed: bool, corrections: bool) -> datetime | None:
        """The first due instant strictly after an instant, for a job whose wall readings ``reading`` finds.

        ``fixed`` jobs run once per reading: skipped ones at the first instant after the gap, repeated ones in the
        first pass. Others follow elapsed time. With ``corrections``, gaps of three hours or more count as gaps too.
        """
        # Nearly all questions are about the present, so the segment found last is tried first.
        segment = self.recent
        if not segment.start <= instant < segment.end:
            segment = self.segment(instant)
        # Readings are whole seconds: the first after 12:00:00.5 is the first after 12:00:00.
        if instant.microsecond:
            instant = instant.replace(microsecond=0)
        # Strictly after means from the next second on, which is in ``ahead`` already.
        wall = instant + segment.ahead
        # The first pass of a repeated hour showed these readings, and the job ran then.
        if fixed and wall < segment.fresh:
            wall = segment.fresh
        due_wall = reading(wall)
        if due_wall is None:
            return None
        if due_wall < segment.wall_end:
            return due_wall - segment.offset
        # No clock goes back by two days: what starts later than that repeats no reading since the instant.
        return self._beyond(segment, due_wall, reading, instant + 2 * DAY, fixed, corrections)

    def _beyond(
        self, segment: Segment, due_wall: datetime, reading: Reading, near: datetime, fixed: bool, corrections: bool
    ) -> datetime | None:
        """Continue in later segments, from the first reading after this one.

        Until ``near``, a segment may repeat readings from before ``due_wall``; later, nothing earlier can match.
        """
        while segment.end != LAST:
            following = self.segment(segment.end)
            resumed = following.start + following.offset
            # The gap swallows the reading; Debian's cron runs such a job right after the jump.
            if fixed and due_wall < resumed and (corrections or resumed - segment.wall_end < CORRECTION):
                return following.start
            # A reading that is years away: jump there. Two days before it as UTC is before it in every zone.
            if following.start > near and due_wall - following.wall_end > 3 * DAY:
                following = self.segment(due_wall - 2 * DAY)
                resumed = following.start + following.offset
            segment = following
            low = max(resumed, segment.fresh) if fixed else resumed
            # Search again from where this segment begins: it may repeat readings that lie before, or skip this one.
            if segment.start <= near or due_wall < low:
                again = reading(low)
                if again is None:
                    return None
                due_wall = again
            if due_wall < segment.wall_end:
                return due_wall - segment.offset
        return None

    def wall(self, instant: datetime) -> datetime:
        """The wall reading at an instant."""
        return instant + self.segment(instant).offset

    def instant(self, wall: datetime) -> datetime:
        """The instant of a wall reading: the first of two, or right after the gap that skips it."""
        # Two days before the reading as UTC is before it in every zone.
        before = self.segment(wall - 2 * DAY)

        def reading(low: datetime) -> datetime | None:
            return wall if low <= wall else None

        due = self.after(wall - 2 * DAY, reading, True, True)
        return due if due is not None else wall - before.offset

    def changes(self, after: datetime, until: datetime) -> list[tuple[Segment, Segment]]:
        """The segments before and after each change with after < change <= until."""
        pairs = []
        segment = self.segment(after)
        while segment.end <= until and segment.end != LAST:
            following = self.segment(segment.end)
            if following.offset != segment.offset:
                pairs.append((segment, following))
            segment = following
        return pairs

    def _cut(self, number: int) -> tuple[Segment, ...]:
        """The segments of one block; they end at its borders even without a change of offset."""
        first = _midnight(number * BLOCK_DAYS)
        last = _midnight((number + 1) * BLOCK_DAYS)
        # Readings from just before the block may repeat: no two offsets differ by three days.
        early = max(first, EARLIEST) - 3 * DAY
        edges = [early, *self._edges(early, last), last]
        segments: list[Segment] = []
        fresh = FIRST
        for start, end in pairwise(edges):
            offset = offset_at(self.zone, start)
            wall_end = end if end == LAST else end + offset
            if end > first:
                # zoneinfo fails in the first days of year 1, so the first segment is extended back to there.
                begin = max(start, first) if first > EARLIEST else first
                segments.append(Segment(begin, end, offset, offset + SECOND, wall_end, fresh))
            # Two changes in a row may both go back: what counts is the latest reading of all segments before.
            fresh = max(fresh, wall_end)
        return tuple(segments)

    def _edges(self, low: datetime, high: datetime) -> Iterator[datetime]:
        """Instants between low and high (exclusive) at which the offset may change."""
        listed = self.known.listed
        yield from (moment for moment in listed[bisect_right(listed, low) :] if moment < high)
        if not self.known.goes_on:
            return
        # The zone's file does not list the changes of its closing rule: look for two probes with different offsets.
        probe = max(low, listed[-1]) if listed else low
        while probe < high:
            following = high if high - probe <= PROBE_STEP else probe + PROBE_STEP
            if offset_at(self.zone, probe) != offset_at(self.zone, following):
                change = self._change(probe, following)
                if change < high:
                    yield change
            probe = following

    def _change(self, low: datetime, high: datetime) -> datetime:
        """The second at which the offset of ``low`` ends, at or before ``high``."""
        offset = offset_at(self.zone, low)
        while high - low > SECOND:
            middle = low + (high - low) // 2 // SECOND * SECOND
            if offset_at(self.zone, middle) == offset:
                low = middle
            else:
                high = middle
        return high


def _midnight(ordinal: int) -> datetime:
    """The start of the day with this ordinal, limited to the range of datetime."""
    if ordinal > LAST.toordinal():
        return LAST
    return datetime.fromordinal(max(1, ordinal)).replace(tzinfo=UTC)


@cache
def wall_clock(name: str) -> WallClock:
    """The shared WallClock of a zone; TimingError for an unknown one."""
    return WallClock(name, get_zone(name), changes(name))


@cache
def fixed_clock(offset: timedelta) -> WallClock:
    """A clock with one constant offset."""
    return WallClock("", timezone(offset), Changes())
