"""A recurrence rule in words, part by part."""

from __future__ import annotations

from collections.abc import Sequence

from scheduler.timing.english.cron_words import times_of_day
from scheduler.timing.english.language import DAY_NAMES, day_of_year, joined, month_list, ordinal, rank, weekday_phrase
from scheduler.timing.recurrence import HOURLY, SECONDLY, YEARLY, Recurrence

PERIODS = ("year", "month", "week", "day", "hour", "minute", "second")


def sentence(rule: Recurrence) -> str:
    """``At 17:00 on the last Friday of the month``, and what RFC 5545 adds to that."""
    words = _often(rule) if rule.freq >= HOURLY else _daily(rule)
    if rule.positions:
        words += f", only the {joined(rank(place) for place in rule.positions)} of each {PERIODS[rule.freq]}"
    if rule.interval > 1:
        words += f", counted from {day_of_year(rule.start)} {rule.start.year}"
    return words if rule.count is None else f"{words}, {rule.count} time{'' if rule.count == 1 else 's'}"


def _daily(rule: Recurrence) -> str:
    days = _days(rule)
    often = f"every {rule.interval} {PERIODS[rule.freq]}s" if rule.interval > 1 else ""
    if not days and not often:
        often = "every day"
    comma = "," if days and often else ""
    return " ".join(
        part for part in (times_of_day(rule.seconds, rule.minutes, rule.hours), days + comma, often) if part
    )


def _often(rule: Recurrence) -> str:
    period = PERIODS[rule.freq]
    words = f"Every {rule.interval} {period}s" if rule.interval > 1 else f"Every {period}"
    words += _listed("second", rule.seconds if rule.freq < SECONDLY or rule.seconds else (), rule.seconds == (0,))
    words += _listed("minute", rule.minutes, rule.minutes == (0,) and rule.freq == HOURLY and rule.interval == 1)
    if rule.hours:
        words += f" in the hour{'s' if len(rule.hours) > 1 else ''} {joined(f'{hour:02}' for hour in rule.hours)}"
    return f"{words} {_days(rule)}".rstrip()


def _listed(unit: str, numbers: Sequence[int], plain: bool) -> str:
    if plain or not numbers:
        return ""
    return f" at {unit}{'s' if len(numbers) > 1 else ''} {joined(map(str, numbers))}"


def _days(rule: Recurrence) -> str:
    """Every restriction on days; each narrows the one before."""
    terms: list[str] = []
    if rule.weekdays:
        # In Recurrence Monday is 0, in English here Sunday is.
        terms.append(weekday_phrase((day + 1) % 7 for day in rule.weekdays))
    if rule.nth_weekdays:
        counted = joined(f"{rank(count)} {DAY_NAMES[(day + 1) % 7]}" for count, day in rule.nth_weekdays)
        span = "year" if rule.freq == YEARLY and not rule.months else "month"
        plain = f"on the {counted} of the {span}"
        terms = [joined([*terms, plain])]
    terms += [f"on the {joined(map(_day, rule.month_days))} of the month"] if rule.month_days else []
    terms += [f"on the {joined(map(_day, rule.year_days))} of the year"] if rule.year_days else []
    terms += [f"in week {joined(map(str, rule.weeks))} of the year"] if rule.weeks else []
    terms += [f"{joined(map(str, rule.easter))} days from Easter"] if rule.easter else []
    months = f" in {month_list(rule.months)}" if rule.months else ""
    return (", and only ".join(terms) + months).strip()


def _day(number: int) -> str:
    return ordinal(number) if number > 0 else f"{rank(number)} day"
