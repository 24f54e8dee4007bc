"""RFC 5545 recurrence rules on wall time.

Not dateutil's evaluation: its search for a rule without matches runs until the year 9999, second by second for
SECONDLY, and cannot be stopped. This search jumps, and ends after 400 years.
"""

from __future__ import annotations

from bisect import bisect_left
from calendar import isleap, monthrange
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from itertools import islice

YEARLY, MONTHLY, WEEKLY, DAILY, HOURLY, MINUTELY, SECONDLY = range(7)
FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY")
TICKS = {HOURLY: timedelta(hours=1), MINUTELY: timedelta(minutes=1), SECONDLY: timedelta(seconds=1)}
DAY = timedelta(days=1)
MAX_YEARS = 400  #: a search ends this many years later: the calendar repeats after 400
MAX_PERIODS = 30_000  #: a search ends after this many periods


@dataclass(frozen=True)
class Recurrence:
    """One rule; every empty tuple means "not restricted". Weekdays count from Monday, 0."""

    freq: int
    start: datetime  #: wall time of the first possible occurrence
    interval: int = 1
    count: int | None = None
    months: tuple[int, ...] = ()
    month_days: tuple[int, ...] = ()
    year_days: tuple[int, ...] = ()
    weeks: tuple[int, ...] = ()
    weekdays: tuple[int, ...] = ()
    nth_weekdays: tuple[tuple[int, int], ...] = ()  #: (n, weekday); n counts from the end if negative
    easter: tuple[int, ...] = ()  #: days from Easter Sunday, as in dateutil
    hours: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    seconds: tuple[int, ...] = ()
    positions: tuple[int, ...] = ()  #: BYSETPOS
    week_start: int = 0

    def with_defaults(self) -> Recurrence:
        """The rule with its missing parts taken from its start, as RFC 5545 says."""
        start, given = self.start, dict(self.__dict__)
        if not (self.weeks or self.year_days or self.month_days or self.weekdays or self.nth_weekdays or self.easter):
            if self.freq == YEARLY:
                given["months"] = self.months or (start.month,)
            if self.freq in (YEARLY, MONTHLY):
                given["month_days"] = (start.day,)
            if self.freq == WEEKLY:
                given["weekdays"] = (start.weekday(),)
        # A rule of days runs at the time of day of its start; one of hours, minutes or seconds in each of them.
        if self.freq < HOURLY:
            given["hours"] = self.hours or (start.hour,)
        if self.freq < MINUTELY:
            given["minutes"] = self.minutes or (start.minute,)
        if self.freq < SECONDLY:
            given["seconds"] = self.seconds or (start.second,)
        return Recurrence(**{name: given[name] for name in self.__dataclass_fields__})

    def reading(self, low: datetime) -> datetime | None:
        """The first occurrence at or after a wall time; None if there is none within 400 years."""
        # COUNT counts from the start: every occurrence before has to be found, which is done once.
        if self.count is None:
            return self._first(max(low, self.start))
        at = bisect_left(self.occurrences, low)
        return self.occurrences[at] if at < len(self.occurrences) else None

    @cached_property
    def occurrences(self) -> list[datetime]:
        """All of them, for a rule with COUNT."""
        return list(islice(self._all(), self.count))

    def _all(self) -> Iterator[datetime]:
        occurrence = self._first(self.start)
        while occurrence is not None:
            yield occurrence
            occurrence = self._first(occurrence + TICKS[SECONDLY])

    def _first(self, low: datetime) -> datetime | None:
        periods = self._ticks(low) if self.freq in TICKS else self._periods(low)
        # Periods without a match count too, so that a rule that never matches ends.
        for _, moments in zip(range(MAX_PERIODS), periods, strict=False):
            if moments is not None:
                occurrence = self._pick(moments, low)
                if occurrence is not None:
                    return occurrence
        return None

    def _pick(self, moments: Moments, low: datetime) -> datetime | None:
        """The first moment of a period that is not before ``low``, among those that BYSETPOS leaves."""
        total = len(moments)
        chosen: Sequence[datetime] = moments
        if self.positions:
            # BYSETPOS counts within the whole period, also what lies before ``low``.
            wanted = {place - 1 if place > 0 else total + place for place in self.positions}
            chosen = [moments[place] for place in sorted(wanted) if 0 <= place < total]
        at = bisect_left(chosen, low)
        return chosen[at] if at < len(chosen) else None

    def _periods(self, low: datetime) -> Iterator[Moments | None]:
        """The years, months, weeks or days of the rule, from the one that holds ``low``."""
        # Down to a multiple of the interval: periods between belong to no occurrence.
        number = self._number(low.date()) // self.interval * self.interval
        while True:
            days = self._days(number)
            if days is None or (days and days[0].year > low.year + MAX_YEARS):
                return
            matching = [day for day in days if self.matches(day)]
            yield Moments(matching, self.hours, self.minutes, self.seconds) if matching else None
            number += self.interval
            # A daily rule for one month would look at every day of the other eleven.
            if self.freq == DAILY and self.months and days[0].month not in self.months:
                beyond = self._number((days[0].replace(day=1) + 31 * DAY).replace(day=1))
                # Rounded up, because the interval counts from the start and not from the month.
                number = max(number, -(-beyond // self.interval) * self.interval)

    def _number(self, day: date) -> int:
        """How many years, months, weeks or days a day is after the period of the start."""
        first = self.start.date()
        if self.freq == YEARLY:
            return day.year - first.year
        if self.freq == MONTHLY:
            return (day.year - first.year) * 12 + day.month - first.month
        if self.freq == WEEKLY:
            return (day - self._week(first)).days // 7
        return (day - first).days

    def _days(self, number: int) -> list[date] | None:
        """The days of the period with that number; None beyond the year 9999."""
        first = self.start.date()
        try:
            if self.freq == YEARLY:
                # Raises beyond 9999, also for a year of which no day is wanted.
                year = date(first.year + number, 1, 1).year
                return [day for month in self.months or range(1, 13) for day in self._month(year, month)]
            if self.freq == MONTHLY:
                years, month = divmod(first.month - 1 + number, 12)
                return self._month(first.year + years, month + 1)
            if self.freq == WEEKLY:
                return [self._week(first) + timedelta(7 * number + day) for day in range(7)]
            return [first + timedelta(number)]
        except (OverflowError, ValueError):
            return None

    def _month(self, year: int, month: int) -> list[date]:
        """The days of a month, without those that BYMONTHDAY leaves out anyway."""
        length = monthrange(year, month)[1]
        wanted = {day if day > 0 else length + 1 + day for day in self.month_days} or range(1, length + 1)
        return [date(year, month, day) for day in sorted(wanted) if 1 <= day <= length]

    def _ticks(self, low: datetime) -> Iterator[Moments | None]:
        """The hours, minutes or seconds of the rule, from the one that holds ``low``; jumps over what cannot match."""
        # Smaller units come from BYMINUTE and BYSECOND, so the ticks are whole hours or minutes.
        base = self.start.replace(minute=0 if self.freq == HOURLY else self.start.minute, second=0)
        base = self.start if self.freq == SECONDLY else base
        step = TICKS[self.freq] * self.interval
        moment = base + (low - base) // step * step
        # A jump from 9999 would not fit a datetime.
        while moment.year <= min(low.year + MAX_YEARS, 9998):
            skip = self._skip(moment)
            if skip is not None:
                # Rounded up to a tick.
                moment = base - (base - skip) // step * step
                # A jump counts as a period: MAX_PERIODS bounds jumps too.
                yield None
                continue
            minutes = self.minutes if self.freq == HOURLY else (moment.minute,)
            seconds = (moment.second,) if self.freq == SECONDLY else self.seconds
            yield Moments([moment.date()], (moment.hour,), minutes, seconds)
            moment += step

    def _skip(self, moment: datetime) -> datetime | None:
        """The first time that may match, if this one does not."""
        # The largest unit is asked first, because its jump is the longest.
        hour = moment.replace(minute=0, second=0)
        if self.months and moment.month not in self.months:
            # No month is longer: that is in the next one, whose first day is meant.
            return (hour.replace(day=1, hour=0) + 31 * DAY).replace(day=1)
        if not self.matches(moment.date()):
            return hour.replace(hour=0) + DAY
        if self.hours and moment.hour not in self.hours:
            return hour + TICKS[HOURLY]
        if self.freq > HOURLY and self.minutes and moment.minute not in self.minutes:
            return moment.replace(second=0) + TICKS[MINUTELY]
        if self.freq == SECONDLY and self.seconds and moment.second not in self.seconds:
            return moment + TICKS[SECONDLY]
        return None

    def matches(self, day: date) -> bool:
        """Whether a day passes every filter that is set."""
        if self.months and day.month not in self.months:
            return False
        if self.month_days and not _counted(day.day, monthrange(day.year, day.month)[1], self.month_days):
            return False
        if (self.weekdays or self.nth_weekdays) and not (day.weekday() in self.weekdays or self._is_nth(day)):
            return False
        if self.year_days and not _counted(day.timetuple().tm_yday, 366 if isleap(day.year) else 365, self.year_days):
            return False
        if self.weeks and not _counted(*self._week_of_year(day), self.weeks):
            return False
        return not self.easter or (day - _easter(day.year)).days in self.easter

    def _is_nth(self, day: date) -> bool:
        """Whether it is the nth such weekday of its month, or of its year in a yearly rule without months."""
        place, length = day.day, monthrange(day.year, day.month)[1]
        if self.freq == YEARLY and not self.months:
            place, length = day.timetuple().tm_yday, 366 if isleap(day.year) else 365
        forward, backward = (place + 6) // 7, -((length - place) // 7) - 1
        weekday = day.weekday()
        return (forward, weekday) in self.nth_weekdays or (backward, weekday) in self.nth_weekdays

    def _week(self, day: date) -> date:
        """The first day of the week that holds a day."""
        return day - timedelta((day.weekday() - self.week_start) % 7)

    def _week_of_year(self, day: date) -> tuple[int, int]:
        """The number of a day's week in the year to which most of the week belongs, and that year's last number."""
        # A week belongs to the year that has at least four of its days, so to that of the fourth.
        middle = self._week(day) + timedelta(3)
        place, length = middle.timetuple().tm_yday, 366 if isleap(middle.year) else 365
        number = (place + 6) // 7
        return number, number + (length - place) // 7


@dataclass(frozen=True, eq=False)
class Moments(Sequence[datetime]):
    """Every combination of some days, hours, minutes and seconds in order, without making the list."""

    days: Sequence[date]
    hours: Sequence[int]
    minutes: Sequence[int]
    seconds: Sequence[int]
    size: int = field(init=False)

    def __post_init__(self) -> None:
        size = len(self.days) * len(self.hours) * len(self.minutes) * len(self.seconds)
        object.__setattr__(self, "size", size)

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> datetime:  # type: ignore[override]
        # The index counts like an odometer: seconds turn first, days last.
        index, second = divmod(index, len(self.seconds))
        index, minute = divmod(index, len(self.minutes))
        index, hour = divmod(index, len(self.hours))
        day = self.days[index]
        return datetime(
            day.year, day.month, day.day, self.hours[hour], self.minutes[minute], self.seconds[second], 0, UTC
        )


def _counted(place: int, length: int, wanted: Sequence[int]) -> bool:
    """Whether a place is wanted, counted from the front or, negative, from the end."""
    return place in wanted or place - length - 1 in wanted


def _easter(year: int) -> date:
    from dateutil.easter import easter

    return easter(year)
