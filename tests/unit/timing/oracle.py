"""A second opinion, as slow and plain as possible: walk a zone minute by minute, as Debian's cron does.

Nothing here is shared with the package but the zone files. Days are matched by their definitions, the clock by asking
the zone what it reads at each instant.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from scheduler.timing import get_zone

NAMES = {name[:3].lower(): (number + 1) % 7 for number, name in enumerate(calendar.day_name)}
MONTH_NAMES = {name[:3].lower(): number for number, name in enumerate(calendar.month_name) if name}
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Tick:
    """One step of real time: the instant, its wall reading, what was skipped just before it, whether it is a repeat."""

    instant: datetime
    wall: datetime
    hour: int
    minute: int
    skipped: tuple[datetime, ...]
    repeated: bool


def walk(zone: str, start: datetime, hours: int, step: timedelta = timedelta(minutes=1)) -> Iterator[Tick]:
    """Every step of real time from an aware instant on, with what a clock on the wall does meanwhile."""
    place = get_zone(zone)
    seen = start.astimezone(place).replace(tzinfo=None, fold=0)
    previous = seen - step
    instant = start
    while instant < start + timedelta(hours=hours):
        wall = instant.astimezone(place).replace(tzinfo=None, fold=0)
        skipped: list[datetime] = []
        missing = previous + step
        while missing < wall and wall - previous - step < 3 * HOUR:
            skipped.append(missing)
            missing += step
        missed = tuple(reading for reading in skipped if reading >= seen)
        yield Tick(instant, wall, wall.hour, wall.minute, missed, wall < seen)
        previous, seen = wall, max(seen, wall + step)
        instant += step


@lru_cache(maxsize=512)
def timeline(zone: str, start: datetime, hours: int) -> tuple[Tick, ...]:
    return tuple(walk(zone, start, hours))


class Expression:
    """A cron expression of five or six fields, matched by definition."""

    def __init__(self, text: str) -> None:
        fields = text.lower().split()
        self.second = {0} if len(fields) == 5 else _numbers(fields.pop(0), 0, 59, {})
        self.minute_text, self.hour_text, self.day_text, month, self.weekday_text = fields
        self.minutes = _numbers(self.minute_text, 0, 59, {})
        self.hours = _numbers(self.hour_text, 0, 23, {})
        self.months = _numbers(month, 1, 12, MONTH_NAMES)
        self.days: dict[tuple[int, int], set[int]] = {}

    @property
    def fixed(self) -> bool:
        return self.minute_text[0] != "*" and self.hour_text[0] != "*"

    def matches(self, wall: datetime) -> bool:
        return (
            wall.minute in self.minutes
            and wall.hour in self.hours
            and wall.second in self.second
            and wall.month in self.months
            and wall.day in self._days(wall.year, wall.month)
        )

    def due(self, ticks: tuple[Tick, ...]) -> list[datetime]:
        """The instants at which Debian's cron, with seconds and Quartz's signs, would start the job."""
        found = []
        fixed, minutes, hours = self.fixed, self.minutes, self.hours
        for tick in ticks:
            made_up = fixed and tick.skipped and any(map(self.matches, tick.skipped))
            now = tick.minute in minutes and tick.hour in hours and self.matches(tick.wall)
            if made_up or (now and not (fixed and tick.repeated)):
                found.append(tick.instant)
        return found

    def _days(self, year: int, month: int) -> set[int]:
        if (year, month) not in self.days:
            self.days[year, month] = self._matching_days(year, month)
        return self.days[year, month]

    def _matching_days(self, year: int, month: int) -> set[int]:
        every = range(1, calendar.monthrange(year, month)[1] + 1)
        by_date = {day for term in self.day_text.split(",") for day in _dates(term, year, month)}
        by_weekday = {day for term in self.weekday_text.split(",") for day in _weekdays(term, year, month)}
        stars = [text.startswith("*") or text == "?" for text in (self.day_text, self.weekday_text)]
        return {day for day in every if (day in by_date and day in by_weekday)} if any(stars) else by_date | by_weekday


def _dates(term: str, year: int, month: int) -> set[int]:
    length = calendar.monthrange(year, month)[1]
    working = [day for day in range(1, length + 1) if calendar.weekday(year, month, day) < 5]
    if term == "lw":
        return {working[-1]}
    if term.startswith("l"):
        return {length - int(term[2:] or 0)}
    if term.endswith("w"):
        wanted = int(term[:-1])
        return {min(working, key=lambda day: abs(day - wanted))} if wanted <= length else set()
    return {day for day in _numbers(term, 1, 31, {}) if day <= length}


def _weekdays(term: str, year: int, month: int) -> set[int]:
    weeks = calendar.Calendar(firstweekday=6).monthdatescalendar(year, month)

    def column(name: str) -> list[int]:
        number = NAMES.get(name) if name in NAMES else int(name) % 7
        return [week[number or 0].day for week in weeks if week[number or 0].month == month]

    if "#" in term:
        name, place = term.split("#")
        return set(column(name)[int(place) - 1 : int(place)])
    if term.endswith("l") and len(term) > 1:
        return {column(term[:-1])[-1]}
    return {day for number in _numbers(term, 0, 7, NAMES) for day in column(str(number))}


def _numbers(text: str, low: int, high: int, names: dict[str, int]) -> set[int]:
    found: set[int] = set()
    for term in text.split(","):
        span, _, step = term.partition("/")
        first, _, last = span.partition("-")
        if span in ("*", "?"):
            begin, end = low, high
        else:
            begin = names[first] if first in names else int(first)
            end = (names[last] if last in names else int(last)) if last else (high if step else begin)
        found |= {number for number in range(begin, end + 1) if (number - begin) % int(step or 1) == 0}
    return found


@lru_cache(maxsize=64)
def changes(zone: str, first_year: int, last_year: int) -> tuple[datetime, ...]:
    """The hours, as aware UTC instants, in which the zone's offset changes."""
    place = get_zone(zone)
    found = []
    instant = datetime(first_year, 1, 1, tzinfo=UTC)
    before = instant.astimezone(place).utcoffset()
    while instant.year <= last_year:
        instant += HOUR
        after = instant.astimezone(place).utcoffset()
        if after != before:
            found.append(instant - HOUR)
        before = after
    return tuple(found)
