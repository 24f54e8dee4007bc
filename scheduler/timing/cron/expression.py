"""A compiled cron expression, and the search for its wall readings, independent of zones."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from scheduler.kept import kept

LONGEST_MONTHS = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True)
class Days:
    """Which days of a month: the day-of-month and day-of-week fields together."""

    dates: frozenset[int] = frozenset()  #: 15
    before_last: frozenset[int] = frozenset()  #: L is 0, L-3 is 3
    nearest: frozenset[int] = frozenset()  #: 15W
    last_weekday: bool = False  #: LW
    weekdays: frozenset[int] = frozenset()  #: Sunday is 0
    nth: frozenset[tuple[int, int]] = frozenset()  #: MON#2 is (1, 2)
    last: frozenset[int] = frozenset()  #: 5L is 5
    both: bool = True  #: a day must match both fields, rather than one of them

    def mask(self, first: int, length: int) -> int:
        """Bit n is set if day n matches, in a month of that length whose first day is that weekday (Sunday is 0)."""
        dates = self._dates_mask(first, length)
        weekdays = 0
        for day in range(1, length + 1):
            weekday = (first + day - 1) % 7
            if (
                weekday in self.weekdays
                or (weekday, (day + 6) // 7) in self.nth
                or (weekday in self.last and day + 7 > length)
            ):
                weekdays |= 1 << day
        return dates & weekdays if self.both else dates | weekdays

    def _dates_mask(self, first: int, length: int) -> int:
        days = set(self.dates) | {length - back for back in self.before_last}
        # A month without a 31st has no 31W either.
        days |= {_nearest(day, first, length) for day in self.nearest if day <= length}
        if self.last_weekday:
            days.add(_nearest(length, first, length))
        return sum(1 << day for day in days if 1 <= day <= length)


def _nearest(day: int, first: int, length: int) -> int:
    """The day from Monday to Friday that is nearest to a day, without leaving the month (Quartz's W)."""
    weekday = (first + day - 1) % 7
    if weekday == 6:
        # Before Saturday the 1st lies another month, so it is Monday the 3rd.
        return day - 1 if day > 1 else 3
    if weekday == 0:
        return day + 1 if day < length else day - 2
    return day


class Cron:
    """A compiled expression: finds wall readings with table look-ups."""

    def __init__(
        self,
        fields: tuple[str, ...],
        seconds: Iterable[int],
        minutes: Iterable[int],
        hours: Iterable[int],
        days: Days,
        months: Iterable[int],
    ) -> None:
        self.fields = fields  #: six texts in upper case, seconds first, after aliases
        self.seconds, self.minutes, self.hours = sorted(seconds), sorted(minutes), sorted(hours)
        self.days, self.months = days, sorted(months)
        #: Debian: a job whose minute or hour starts with * follows elapsed time; any other is for fixed times
        self.fixed = not (fields[1].startswith("*") or fields[2].startswith("*"))
        self._second, self._minute = _table(self.seconds, 60), _table(self.minutes, 60)
        self._hour = _table(self.hours, 24)
        self._month = _table(self.months, 13)
        self._masks: dict[tuple[int, int], int] = {}

    def reading(self, wall: datetime) -> datetime | None:
        """The first matching wall time at or after one; None only after the year 9999."""
        year, month, day = wall.year, wall.month, wall.day
        if self._month[month] == month and self._mask(year, month) >> day & 1:
            hour = wall.hour
            next_hour = self._hour[hour]
            if next_hour == hour:
                minute = self._minute[wall.minute]
                if minute == wall.minute:
                    second = self._second[wall.second]
                    if second >= 0:
                        return datetime(year, month, day, hour, minute, second, 0, UTC)
                    minute = self._minute[minute + 1]
                if minute >= 0:
                    return datetime(year, month, day, hour, minute, self.seconds[0], 0, UTC)
                next_hour = self._hour[hour + 1]
            if next_hour >= 0:
                return datetime(year, month, day, next_hour, self.minutes[0], self.seconds[0], 0, UTC)
            day += 1
        return self._first_on(year, month, day)

    def _first_on(self, year: int, month: int, day: int) -> datetime | None:
        """The first reading on a matching day, from a day on that may lie just after the month's end."""
        while year <= 9999:
            if self._month[month] == month:
                rest = self._mask(year, month) >> day
                if rest:
                    # The lowest bit is the first matching day.
                    day += (rest & -rest).bit_length() - 1
                    return datetime(year, month, day, self.hours[0], self.minutes[0], self.seconds[0], 0, UTC)
            day = 1
            month = self._month[month + 1] if month < 12 else -1
            if month < 0:
                year, month = year + 1, self.months[0]
        return None

    def _mask(self, year: int, month: int) -> int:
        # Months with the same length and first weekday share a mask: 28 serve every year.
        shape = _shape(year, month)
        mask = self._masks.get(shape)
        if mask is None:
            mask = self._masks[shape] = self.days.mask(*shape)
        return mask


@kept(1024)
def can_fire(days: Days, months: frozenset[int]) -> bool:
    """Whether any month of any year has a matching day; every month begins on every weekday at some time."""
    return any(
        days.mask(first, length)
        for month in months
        for length in ({28, 29} if month == 2 else {LONGEST_MONTHS[month]})
        for first in range(7)
    )


@kept(8192)
def _shape(year: int, month: int) -> tuple[int, int]:
    """The weekday of a month's first day (Sunday is 0) and its length."""
    first, length = monthrange(year, month)
    return (first + 1) % 7, length


@kept(4096)
def _cached_table(values: tuple[int, ...], size: int) -> tuple[int, ...]:
    # One place more than there are numbers, so that the number after the last may be asked for.
    return tuple(min((value for value in values if value >= start), default=-1) for start in range(size + 1))


def _table(values: list[int], size: int) -> tuple[int, ...]:
    """For each number up to size: the first of the values at or after it, or -1."""
    return _cached_table(tuple(values), size)
