# ruff: noqa: DTZ001 - wall readings are naive by design
"""Cron expressions: five fields, or six with seconds first, read as Debian's cron reads them, with Quartz's L, W and #.

Parsing is ours rather than a library's: a refusal has to name the field and the remedy, and no maintained parser knows
``?``, ``W`` and ``~`` together.
"""

from __future__ import annotations

import difflib
import re
from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache

from scheduler.timing.errors import TimingError
from scheduler.timing.fields import DAY, HOUR, MINUTE, MONTH, SECOND, WEEKDAY, Spread, number, numbers, spread_by

LONGEST_TEXT = 1000
LONGEST_MONTHS = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
WHOLE_MONTH = (1 << 32) - 2


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
        days |= {_nearest(day, first, length) for day in self.nearest if day <= length}
        if self.last_weekday:
            days.add(_nearest(length, first, length))
        return sum(1 << day for day in days if 1 <= day <= length)


def _nearest(day: int, first: int, length: int) -> int:
    """The day from Monday to Friday that is nearest to a day, without leaving the month (Quartz's W)."""
    weekday = (first + day - 1) % 7
    if weekday == 6:
        return day - 1 if day > 1 else 3
    if weekday == 0:
        return day + 1 if day < length else day - 2
    return day


class Cron:
    """A compiled expression: finds wall readings with table look-ups, whatever the zone."""

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
        """The first matching wall time at or after a naive one; None only after the year 9999."""
        year, month, day = wall.year, wall.month, wall.day
        if self._month[month] == month and self._mask(year, month) >> day & 1:
            hour = wall.hour
            found = self._hour[hour]
            if found == hour:
                minute = self._minute[wall.minute]
                if minute == wall.minute:
                    second = self._second[wall.second]
                    if second >= 0:
                        return datetime(year, month, day, hour, minute, second)
                    minute = self._minute[minute + 1]
                if minute >= 0:
                    return datetime(year, month, day, hour, minute, self.seconds[0])
                found = self._hour[hour + 1]
            if found >= 0:
                return datetime(year, month, day, found, self.minutes[0], self.seconds[0])
            day += 1
        return self._first_on(year, month, day)

    def _first_on(self, year: int, month: int, day: int) -> datetime | None:
        """The first reading on a matching day, from a day on that may lie just after the month's end."""
        while year <= 9999:
            if self._month[month] == month:
                rest = self._mask(year, month) >> day
                if rest:
                    day += (rest & -rest).bit_length() - 1
                    return datetime(year, month, day, self.hours[0], self.minutes[0], self.seconds[0])
            day = 1
            month = self._month[month + 1] if month < 12 else -1
            if month < 0:
                year, month = year + 1, self.months[0]
        return None

    def _mask(self, year: int, month: int) -> int:
        shape = _shape(year, month)
        mask = self._masks.get(shape)
        if mask is None:
            mask = self._masks[shape] = self.days.mask(*shape)
        return mask

    @cached_property
    def possible(self) -> bool:
        """Whether any month of any year has a matching day; every month begins on every weekday at some time."""
        return any(
            self.days.mask(first, length)
            for month in self.months
            for length in ({28, 29} if month == 2 else {LONGEST_MONTHS[month]})
            for first in range(7)
        )


@lru_cache(maxsize=8192)
def _shape(year: int, month: int) -> tuple[int, int]:
    """The weekday of a month's first day (Sunday is 0) and its length."""
    first, length = monthrange(year, month)
    return (first + 1) % 7, length


@lru_cache(maxsize=4096)
def _cached_table(values: tuple[int, ...], size: int) -> tuple[int, ...]:
    return tuple(min((value for value in values if value >= start), default=-1) for start in range(size + 1))


def _table(values: list[int], size: int) -> tuple[int, ...]:
    """For each number up to size: the first of the values at or after it, or -1."""
    return _cached_table(tuple(values), size)


def parse(text: str, name: str = "") -> Cron:
    """Compile an expression; ``~`` is spread by the schedule's name. TimingError if it is wrong or never fires."""
    if len(text) > LONGEST_TEXT:
        raise TimingError("cron", f"cron is {len(text):,} characters long", f"write at most {LONGEST_TEXT} characters")
    return _parse(text.strip(), name if "~" in text else "")


@lru_cache(maxsize=8192)
def _parse(text: str, name: str) -> Cron:
    fields = split(text)
    spread = spread_by(name)
    second, minute, hour, day, month, weekday = fields
    months = numbers(MONTH, month, spread)
    cron = Cron(
        fields,
        numbers(SECOND, second, spread),
        numbers(MINUTE, minute, spread),
        numbers(HOUR, hour, spread),
        parse_days(day, weekday, spread),
        months,
    )
    if not cron.possible:
        raise TimingError(
            "cron",
            f"{text!r} never fires: none of its months has such a day",
            "change the day-of-month or the month; L is the last day of any month",
        )
    return cron


def split(text: str) -> tuple[str, ...]:
    """Six fields in upper case, aliases resolved, with ``0`` for seconds that were left out."""
    for character in text:
        if not " " <= character <= "~" and character != "\t":
            problem = f"cron holds the character {character!r}"
            raise TimingError("cron", problem, "use letters, digits and * / , - # ~ ? @")
    if text.startswith("@"):
        text = _alias(text)
    fields = text.upper().split()
    if len(fields) == 5:
        fields.insert(0, "0")
    if len(fields) != 6:
        raise TimingError(
            "cron",
            f"cron {text[:40]!r} has {len(fields)} field{'s' if len(fields) != 1 else ''}",
            "write five (minute hour day-of-month month day-of-week), or six with seconds first",
        )
    return tuple(fields)


def _alias(text: str) -> str:
    known = ALIASES.get(text.lower())
    if known:
        return known
    if text.lower() == "@reboot":
        raise TimingError("cron", "@reboot has no due instants", "make it a systemd unit that starts with the machine")
    near = difflib.get_close_matches(text.lower()[:20], [*ALIASES, "@every"], n=1)
    meant = f"did you mean {near[0]}?" if near else f"use {', '.join(ALIASES)} or @every 10m"
    raise TimingError("cron", f"cron {text[:40]!r} is not known", meant)


def parse_days(day: str, weekday: str, spread: Spread) -> Days:
    """Both day fields; they are ORed when both are restricted, ANDed when one starts with ``*`` or is ``?``."""
    both = day.startswith("*") or weekday.startswith("*") or "?" in (day, weekday)
    dates: set[int] = set()
    special: dict[str, set[int]] = {"L": set(), "W": set()}
    last_weekday = False
    for term in ("*" if day == "?" else day).split(","):
        if term == "LW":
            last_weekday = True
        elif match := re.fullmatch(r"L(?:-([0-9]+))?", term):
            back = int(match[1] or 0)
            if back > 30:
                DAY.refuse(term, "is out of range", "use L, or L-1 to L-30")
            special["L"].add(back)
        elif term.endswith("W"):
            special["W"].add(number(DAY, term, term[:-1]))
        else:
            dates |= numbers(DAY, term, spread)
    weekdays, nth, last = _parse_weekdays("*" if weekday == "?" else weekday, spread)
    return Days(
        frozenset(dates), frozenset(special["L"]), frozenset(special["W"]), last_weekday, weekdays, nth, last, both
    )


def _parse_weekdays(text: str, spread: Spread) -> tuple[frozenset[int], frozenset[tuple[int, int]], frozenset[int]]:
    weekdays: set[int] = set()
    nth: set[tuple[int, int]] = set()
    last: set[int] = set()
    for term in text.split(","):
        if "#" in term:
            name, _, count = term.partition("#")
            if count not in ("1", "2", "3", "4", "5"):
                WEEKDAY.refuse(term, "is out of range", "use #1 to #5, such as MON#1 for the first Monday")
            nth.add((number(WEEKDAY, term, name) % 7, int(count)))
        elif term == "L":
            WEEKDAY.refuse(term, "names no day", "write 5L or FRIL for the last Friday of the month")
        elif term.endswith("L"):
            last.add(number(WEEKDAY, term, term[:-1]) % 7)
        else:
            weekdays |= {value % 7 for value in numbers(WEEKDAY, term, spread)}
    return frozenset(weekdays), frozenset(nth), frozenset(last)
