"""Timings as one English sentence, true for the rules of this package."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from scheduler.timing.cron.expression import Cron
from scheduler.timing.durations import format_duration
from scheduler.timing.english import cron_words, rrule_words
from scheduler.timing.english.language import day_of_year, joined
from scheduler.timing.rules import AfterLast, Every, Once, OnTheClock, Rule
from scheduler.timing.segments import WallClock, wall_clock
from scheduler.timing.solar import Sun

UNITS = (("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", 1_000), ("millisecond", 1))


def describe(rule: Rule, zone: str) -> str:
    """The sentence of one rule in a zone, without start, end and the like."""
    if isinstance(rule, Every):
        return every_words(rule.step)
    if isinstance(rule, AfterLast):
        return f"{every_words(rule.step)} after the last run"
    if isinstance(rule, Sun):
        return f"At {rule.event.replace('_', ' ')} at latitude {rule.latitude:g}, longitude {rule.longitude:g}"
    if isinstance(rule, Once):
        wall = wall_clock(zone).wall(rule.instant)
        return f"Once at {_time(wall)} on {day_of_year(wall)} {wall.year}" + of_zone(zone)
    assert isinstance(rule, OnTheClock)
    readings = rule.readings
    words = cron_words.sentence(readings) if isinstance(readings, Cron) else rrule_words.sentence(readings)
    if rule.until is not None:
        words += f", until {_moment(rule.clock, rule.until)}"
    return words + of_zone(zone)


def every_words(step: timedelta) -> str:
    """``Every 15 minutes``; a day is 24 hours here, because that is what the clocks may not change."""
    if step == timedelta(days=1):
        return "Every 24 hours"
    rest = step / timedelta(milliseconds=1)
    parts: list[str] = []
    for unit, size in UNITS:
        count, rest = (rest, 0) if unit == "millisecond" else divmod(rest, size)
        if count:
            parts.append(f"{count:g} {unit}{'' if count == 1 else 's'}")
    if len(parts) == 1 and parts[0].startswith("1 "):
        return f"Every {parts[0][2:]}"
    return f"Every {' '.join(parts)}"


def of_zone(zone: str) -> str:
    """``, New York time``; nothing for UTC."""
    city = zone.rpartition("/")[2].replace("_", " ")
    return "" if city in ("UTC", "UCT", "Universal", "Zulu") else f", {city} time"


def bounds(
    clock: WallClock, start: datetime | None, end: datetime | None, excluded: Sequence[str], jitter: timedelta
) -> str:
    """What the sentence says about start, end, excluded days and jitter."""
    words = ""
    if start is not None:
        words += f", from {_moment(clock, start)}"
    if end is not None:
        words += f"{'' if start else ','} until {_moment(clock, end)}"
    if excluded:
        rules = sum("=" in item for item in excluded)
        dates = [item for item in excluded if "=" not in item]
        words += ", except on " + (joined(dates) if not rules and len(dates) <= 3 else "the days of its calendars")
    return words + (f", up to {format_duration(jitter)} later" if jitter else "")


def _moment(clock: WallClock, instant: datetime) -> str:
    wall = clock.wall(instant)
    return f"{_time(wall)} on {day_of_year(wall)} {wall.year}"


def _time(wall: datetime) -> str:
    return f"{wall:%H:%M:%S}" if wall.second else f"{wall:%H:%M}"
