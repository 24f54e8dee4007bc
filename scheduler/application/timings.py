"""Celery's schedules, as timing fields of the schedule file with the same due instants."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from celery.schedules import crontab, schedule, solar

from scheduler import timing
from scheduler.timing.cron.celery_fields import FIELDS, celery_numbers
from scheduler.timing.cron.expression import Cron
from scheduler.timing.cron.text import parse
from scheduler.timing.errors import TimingError
from scheduler.timing.recurrence import FREQUENCIES
from scheduler.timing.rrule import NUMBERS, WEEKDAYS

Said = tuple[dict[str, Any], list[str]]  #: the fields, and what becomes different
OWN_CLASS = "write it in the file with cron, every, at, rrule or solar"
RELATIVE = "relative: Celery rounds each run down to the unit of its interval, the file counts from 1970"
NOWFUN = "nowfun: the file has no clock of its own, it uses the time zone"
FROM_IMPORT = "rrule without dtstart: Celery counts from the start of each process, the file from 1970"
A_WEEK = 7


class CannotSay(ValueError):
    """The schedule file has no word for this; ``remedy`` says what to do instead."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.remedy = remedy


def timing_fields(value: Any, zone: str, *, relative: bool = False) -> Said:
    """The timing of a value of ``beat_schedule``; ``zone`` is the application's IANA name. Raises CannotSay."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = from_number(value, "its schedule")
    if isinstance(value, timedelta):
        return {"every": timing.format_duration(value)}, [RELATIVE] if relative else []
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    reader = READERS.get(kind)
    if reader is None:
        raise CannotSay(f"its schedule is a {kind}", OWN_CLASS)
    fields, notes = reader(value, zone)
    # Also UTC is said, because the file may have another zone at its top.
    return (fields if "every" in fields else {**fields, "timezone": zone}), notes


def from_number(seconds: float, what: str) -> timedelta:
    """A number of seconds as a timedelta; raises CannotSay for one that is none, such as NaN, or too large."""
    try:
        return timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        raise CannotSay(f"{what} is {str(seconds)[:50]}", "give it in seconds, 100 years at most") from None


def interval(value: schedule, zone: str) -> Said:
    """``schedule(run_every)``."""
    return timing_fields(value.run_every, zone, relative=value.relative)


def from_crontab(value: crontab, zone: str) -> Said:
    """``crontab``, whose days must match both day fields, where cron takes either."""
    texts = [str(getattr(value, f"_orig_{field}", "")) for field in FIELDS]
    notes = [NOWFUN] if value.nowfun is not None else []
    try:
        sets = [celery_numbers(field, sorted(getattr(value, field))) for field in FIELDS]
    except TimingError as error:
        raise CannotSay(error.problem, error.remedy) from None
    numbers = [listed(field, numbers) for field, numbers in zip(FIELDS, sets, strict=True)]
    for text in (" ".join(text.replace(" ", "") for text in texts), " ".join(numbers)):
        if are_cron(text, sets):
            return {"cron": text}, notes
    return {"rrule": both_days(*sets)}, notes


def are_cron(text: str, sets: list[frozenset[int]]) -> bool:
    """Whether cron reads these numbers from the text, and takes the days that match both day fields."""
    try:
        cron = parse(text)
    except TimingError:
        return False
    return is_plain(cron) and [*map(frozenset, numbers_of(cron))] == sets and cron.days.both


def is_plain(cron: Cron) -> bool:
    """Whether no field has a word that only our cron knows."""
    days = cron.days
    return not (days.before_last or days.nearest or days.last_weekday or days.nth or days.last)


def numbers_of(cron: Cron) -> Iterable[Iterable[int]]:
    """Its numbers in the order of Celery's fields."""
    return cron.minutes, cron.hours, cron.days.dates, cron.months, cron.days.weekdays


def listed(field: str, numbers: frozenset[int]) -> str:
    """The numbers of a field of cron."""
    low, high = FIELDS[field]
    return "*" if len(numbers) == high - low + 1 else ",".join(map(str, sorted(numbers)))


def both_days(
    minutes: frozenset[int],
    hours: frozenset[int],
    dates: frozenset[int],
    months: frozenset[int],
    weekdays: frozenset[int],
) -> str:
    """A recurrence on the days that match date and weekday; Celery's 0 is Sunday."""
    days = ",".join(WEEKDAYS[(number - 1) % A_WEEK] for number in sorted(weekdays))
    parts = [f"FREQ=DAILY;BYMONTHDAY={comma(dates)};BYDAY={days};BYHOUR={comma(hours)};BYMINUTE={comma(minutes)}"]
    parts += [f"BYMONTH={comma(months)}"] if len(months) < 12 else []
    return ";".join(parts)


def comma(numbers: Iterable[int]) -> str:
    return ",".join(map(str, sorted(numbers)))


def from_solar(value: solar, _: str) -> Said:
    """``solar``; its place gives the time of day."""
    return {"solar": f"{value.event} {value.lat} {value.lon}"}, []


def from_rrule(value: Any, zone: str) -> Said:
    """RedBeat's ``rrule``."""
    if value.byeaster is not None:
        raise CannotSay("its rrule has byeaster", OWN_CLASS)
    # Without a start, RedBeat takes the moment of the import, which people do not write to the microsecond.
    anchored = value.dtstart is not None and not value.dtstart.microsecond
    parts = [f"FREQ={FREQUENCIES[value.freq]}"]
    parts += [f"INTERVAL={value.interval}"] if value.interval != 1 else []
    parts += [f"WKST={weekday(value.wkst)}"] if value.wkst is not None else []
    parts += [f"COUNT={value.count}"] if value.count is not None else []
    parts += [f"UNTIL={moment(value.until)}"] if value.until is not None else []
    for part in NUMBERS:
        if (given := getattr(value, part.lower())) is not None:
            parts.append(f"{part}={comma(given if isinstance(given, Iterable) else [given])}")
    if (given := value.byweekday) is not None:
        parts.append(f"BYDAY={','.join(map(weekday, given if isinstance(given, Iterable) else [given]))}")
    text = ";".join(parts)
    if not anchored:
        return {"rrule": text}, [FROM_IMPORT]
    wall = value.dtstart.astimezone(timing.get_zone(zone))
    return {"rrule": f"DTSTART:{wall:%Y%m%dT%H%M%S} RRULE:{text}"}, []


def weekday(given: Any) -> str:
    """``MO`` or ``-1FR``, from a number or dateutil's weekday."""
    nth = getattr(given, "n", None)
    return f"{nth or ''}{WEEKDAYS[given if isinstance(given, int) else given.weekday]}"


def moment(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y%m%dT%H%M%SZ}"


#: By name, because RedBeat, once imported, acts at the start of beat, and must not do so before this service does.
READERS: dict[str, Callable[[Any, str], Said]] = {
    "celery.schedules.schedule": interval,
    "celery.schedules.crontab": from_crontab,
    "celery.schedules.solar": from_solar,
    "redbeat.schedules.rrule": from_rrule,
}
