"""Excluded days of a schedule: dates, and recurrence rules for dates."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from scheduler.kept import kept
from scheduler.timing.errors import TimingError
from scheduler.timing.instants import parse_date
from scheduler.timing.rrule import rrule
from scheduler.timing.rules import OnTheClock
from scheduler.timing.segments import wall_clock

TICK = timedelta(microseconds=1)


class Calendar:
    """A set of dates, partly given by rules, which are evaluated one year at a time."""

    def __init__(self, dates: frozenset[date], rules: tuple[OnTheClock, ...]) -> None:
        self.dates = dates
        self.rules = rules
        self.years: dict[int, frozenset[date]] = {}

    def covers(self, day: date) -> bool:
        """Whether a date is excluded."""
        return day in self.dates or (bool(self.rules) and day in self._year(day.year))

    def _year(self, year: int) -> frozenset[date]:
        days = self.years.get(year)
        if days is None:
            days = self.years[year] = frozenset().union(*(_days(rule, year) for rule in self.rules))
        return days


def _days(rule: OnTheClock, year: int) -> set[date]:
    """The dates of one year; times of day in the rule do not matter."""
    days: set[date] = set()
    occurrence = rule.after(datetime.combine(date(year, 1, 1), time(), UTC) - TICK)
    while occurrence is not None and occurrence.year == year:
        days.add(occurrence.date())
        occurrence = rule.after(datetime.combine(occurrence.date(), time.max, UTC))
    return days


@kept(1024)
def calendar(excluded: tuple[str, ...]) -> Calendar:
    """The calendar of some ``excluded`` items; TimingError (field ``except``) for one that is neither date nor rule."""
    dates: set[date] = set()
    rules: list[OnTheClock] = []
    for item in excluded:
        text = item.strip()
        if "FREQ=" in text.upper():
            rules.append(_rule(text))
        else:
            dates.add(parse_date(text, "except"))
    return Calendar(frozenset(dates), tuple(rules))


def _rule(text: str) -> OnTheClock:
    if any(f"FREQ={frequency}" in text.upper() for frequency in ("HOURLY", "MINUTELY", "SECONDLY")):
        raise TimingError(
            "except", f"except {text[:60]!r} is a rule for times, not for days", "use FREQ=DAILY or slower"
        )
    return rrule(text, wall_clock("UTC"), field="except")
