"""A cron expression in words: first the times of day, then the days."""

from __future__ import annotations

from collections.abc import Sequence

from scheduler.timing.cron.expression import Cron, Days
from scheduler.timing.english.language import (
    DAY_NAMES,
    is_range,
    joined,
    month_list,
    ordinal,
    rank,
    step_of,
    weekday_phrase,
)

#: times of day that are listed rather than summed up
MAX_LISTED_TIMES = 6


def sentence(cron: Cron) -> str:
    """``At 02:30 on weekdays``."""
    times = times_of_day(cron.seconds, cron.minutes, cron.hours)
    days = days_phrase(cron.days, cron.months)
    if not days or days.startswith("in "):
        times += "" if "very" in times else " every day"
    return f"{times} {days}".rstrip()


def times_of_day(seconds: Sequence[int], minutes: Sequence[int], hours: Sequence[int]) -> str:
    """The part of the sentence about seconds, minutes and hours."""
    if len(seconds) > 1:
        return _seconds(seconds) + _within(minutes, hours)
    second = seconds[0]
    if len(hours) < 24 and len(minutes) * len(hours) <= MAX_LISTED_TIMES:
        return "At " + joined(_clock(hour, minute, second) for hour in hours for minute in minutes)
    at_second = f" at second {second}" if second else ""
    if len(minutes) == 1:
        return _hourly(hours, minutes[0], second)
    if len(minutes) == 60:
        return f"Every minute{at_second}{_hours(hours, minutes)}"
    step = step_of(minutes, 60)
    if step:
        return f"Every {step} minutes{at_second}{_hours(hours, minutes)}"
    listed = f"At minutes {joined(map(str, minutes))}" + (f" and second {second}" if second else "")
    return f"{listed} of {_of_hours(hours)}"


def _hourly(hours: Sequence[int], minute: int, second: int) -> str:
    """Once in some hours, at a minute."""
    at_minute = f" at minute {minute}" if minute else ""
    at_minute += f"{' and' if minute else ' at'} second {second}" if second else ""
    step = step_of(hours, 24)
    if len(hours) == 24:
        return f"Every hour{at_minute}"
    if step:
        return f"Every {step} hours{at_minute}"
    if is_range(hours):
        return f"Every hour from {_clock(hours[0], minute, second)} to {_clock(hours[-1], minute, second)}"
    return "At " + joined(_clock(hour, minute, second) for hour in hours)


def _seconds(seconds: Sequence[int]) -> str:
    if len(seconds) == 60:
        return "Every second"
    step = step_of(seconds, 60)
    return f"Every {step} seconds" if step else f"At seconds {joined(map(str, seconds))} of every minute"


def _within(minutes: Sequence[int], hours: Sequence[int]) -> str:
    """Where a job that runs several times a minute runs."""
    if len(minutes) == 60:
        return _hours(hours, minutes)
    if len(hours) < 24 and len(minutes) * len(hours) <= MAX_LISTED_TIMES:
        return " in the minute of " + joined(_clock(hour, minute, 0) for hour in hours for minute in minutes)
    return f" in minute{'s' if len(minutes) > 1 else ''} {joined(map(str, minutes))} of {_of_hours(hours)}"


def _hours(hours: Sequence[int], minutes: Sequence[int]) -> str:
    if len(hours) == 24:
        return ""
    if is_range(hours) or len(hours) == 1:
        return f" from {_clock(hours[0], minutes[0], 0)} to {_clock(hours[-1], minutes[-1], 0)}"
    return f" in {_of_hours(hours)}"


def _of_hours(hours: Sequence[int]) -> str:
    if len(hours) == 24:
        return "every hour"
    return f"the hour{'s' if len(hours) > 1 else ''} {joined(f'{hour:02}' for hour in hours)}"


def _clock(hour: int, minute: int, second: int) -> str:
    return f"{hour:02}:{minute:02}" + (f":{second:02}" if second else "")


def days_phrase(days: Days, months: Sequence[int]) -> str:
    """The part about days and months; empty if it is every day."""
    any_date, any_weekday = len(days.dates) == 31, len(days.weekdays) == 7
    every_day = any_date and any_weekday if days.both else any_date or any_weekday
    in_months = "" if len(months) == 12 else f", in {month_list(months)}"
    if every_day:
        return in_months.removeprefix(", ")
    if days.both and any_date:
        return _weekdays(days, months)
    if days.both and any_weekday:
        return _dates(days, months)
    if days.both:
        return f"{_weekdays(days, range(1, 13))} that {_that_are(days)}{in_months}"
    return f"{_dates(days, range(1, 13))} or {_weekdays(days, range(1, 13))}{in_months}"


def _of_months(months: Sequence[int]) -> str:
    return "of the month" if len(months) == 12 else f"of {month_list(months)}"


def _dates(days: Days, months: Sequence[int]) -> str:
    plain = not (days.before_last or days.nearest or days.last_weekday)
    if plain and len(months) == 1:
        return f"on {joined(map(str, sorted(days.dates)))} {month_list(months)}"
    return f"on {joined(_date_terms(days))} {_of_months(months)}"


def _date_terms(days: Days) -> list[str]:
    terms = [joined(map(ordinal, sorted(days.dates)))] if days.dates else []
    terms = [f"the {term}" for term in terms]
    terms += [f"the weekday nearest the {ordinal(day)}" for day in sorted(days.nearest)]
    terms += ["the last weekday"] if days.last_weekday else []
    for back in sorted(days.before_last, reverse=True):
        terms.append("the last day" if back == 0 else f"the {rank(-back - 1)} day")
    return terms


def _that_are(days: Days) -> str:
    return f"are {joined(_date_terms(days), 'or')} of the month"


def _weekdays(days: Days, months: Sequence[int]) -> str:
    terms = [weekday_phrase(days.weekdays)] if days.weekdays else []
    counted = [f"the {rank(count)} {DAY_NAMES[day]}" for day, count in sorted(days.nth, key=lambda term: term[::-1])]
    counted += [f"the last {DAY_NAMES[day]}" for day in sorted(days.last)]
    if not counted:
        return terms[0] + ("" if len(months) == 12 else f" in {month_list(months)}")
    return joined([*terms, f"on {joined(counted)} {_of_months(months)}"])
