"""Timings in the words of RedBeat's JSON, in both directions, without importing RedBeat or Celery."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from scheduler.kept import kept
from scheduler.timing.core import Timing
from scheduler.timing.cron.celery_fields import FIELDS, celery_numbers
from scheduler.timing.cron.expression import Cron, Days, can_fire
from scheduler.timing.cron.text import parse as parse_cron
from scheduler.timing.errors import TimingError
from scheduler.timing.recurrence import FREQUENCIES, Recurrence
from scheduler.timing.rrule import MAX_INTERVAL
from scheduler.timing.rules import AfterLast, Every, OnTheClock, Rule
from scheduler.timing.segments import WallClock, fixed_clock, wall_clock
from scheduler.timing.solar import solar
from scheduler.timing.zones import EPOCH

#: part to (field of Recurrence, lowest, highest); where the lowest is negative, 0 means nothing
RESTRICTIONS = {
    "bysetpos": ("positions", -366, 366),
    "bymonth": ("months", 1, 12),
    "bymonthday": ("month_days", -31, 31),
    "byyearday": ("year_days", -366, 366),
    "byeaster": ("easter", -366, 366),
    "byweekno": ("weeks", -53, 53),
    "byweekday": ("weekdays", 0, 6),
    "byhour": ("hours", 0, 23),
    "byminute": ("minutes", 0, 59),
    "bysecond": ("seconds", 0, 59),
}
MAX_COUNT = 100_000


def from_redbeat(schedule: Mapping[str, Any] | float, zone: str = "UTC") -> Timing:
    """The Timing of an entry's ``schedule`` as RedBeat's encoder writes it, with Celery's meaning in absolute time.

    An interval counts from the last run: ``next_due(last)`` is last + every. The day fields of a crontab must both
    match. ``zone`` is Celery's time zone. TimingError (field ``schedule``) for what Celery would not load either.
    """
    if not isinstance(schedule, Mapping):
        schedule = {"__type__": "interval", "every": schedule, "relative": False}
    # As text, because a mapping cannot be the key of a cache.
    return _from_text(json.dumps(dict(schedule), sort_keys=True), zone)


@kept(8192)
def _from_text(text: str, zone: str) -> Timing:
    given = json.loads(text)
    kind = given.pop("__type__", None)
    if kind not in READERS:
        raise TimingError("schedule", f"RedBeat's schedule has the type {kind!r}", f"use {', '.join(READERS)}")
    try:
        rule = READERS[kind](given, wall_clock(zone))
    except (KeyError, TypeError, ValueError, OverflowError, OSError) as error:
        if isinstance(error, TimingError):
            raise
        raise TimingError("schedule", f"RedBeat's {kind} is incomplete: {error}", "write it with RedBeat") from None
    return Timing("redbeat", text, zone, rule=rule, clock=wall_clock(zone))


def _interval(given: dict[str, Any], clock: WallClock) -> Rule:
    step = timedelta(seconds=float(given["every"]))
    if step <= timedelta(0):
        raise TimingError("schedule", f"RedBeat's interval is {given['every']} seconds", "use more than 0")
    return AfterLast(step, clock if given.get("relative") else None)


def _crontab(given: dict[str, Any], clock: WallClock) -> Rule:
    if unknown := sorted(given.keys() - {*FIELDS}):
        raise TimingError("schedule", f"Celery's crontab has no {unknown[0]!r}", f"use {', '.join(FIELDS)}")
    sets = {field: celery_numbers(field, given.get(field, "*")) for field in FIELDS}
    # Celery runs on days that match both fields, where cron takes either.
    days = Days(dates=sets["day_of_month"], weekdays=sets["day_of_week"], both=True)
    texts = [str(given.get(field, "*")) for field in FIELDS]
    if not can_fire(days, sets["month_of_year"]):
        raise TimingError("schedule", "Celery's crontab never fires: no such day", "change the day or the month")
    cron = Cron(("0", *texts), {0}, sets["minute"], sets["hour"], days, sets["month_of_year"])
    return OnTheClock(clock, cron, fixed=cron.fixed)


def _rrule(given: dict[str, Any], clock: WallClock) -> Rule:
    if given.get("dtstart") is not None:
        # RedBeat stores the start's offset and not its zone, so its rule knows no clock changes.
        clock = fixed_clock(timedelta(minutes=given.get("dtstart_tz") or 0))
        begin = clock.wall(EPOCH + timedelta(seconds=given["dtstart"])).replace(microsecond=0)
    else:
        begin = EPOCH
    restrictions: dict[str, Any] = {
        field: _list(part, given.get(part), low, high) for part, (field, low, high) in RESTRICTIONS.items()
    }
    freq = given["freq"]
    rule = Recurrence(
        FREQUENCIES.index(freq.upper()) if isinstance(freq, str) else _within("freq", freq, 0, 6),
        begin,
        interval=_within("interval", given.get("interval", 1), 1, MAX_INTERVAL),
        count=None if given.get("count") is None else _within("count", given["count"], 0, MAX_COUNT),
        week_start=_within("wkst", given.get("wkst") or 0, 0, 6),
        **restrictions,
    ).with_defaults()
    until = None if given.get("until") is None else EPOCH + timedelta(seconds=given["until"])
    return OnTheClock(clock, rule, corrections=True, until=until)


def _list(part: str, value: Any, low: int, high: int) -> tuple[int, ...]:
    values = value if isinstance(value, Sequence) else () if value is None else (value,)
    return tuple(sorted({_within(part, item, low, high) for item in values}))


def _within(part: str, value: Any, low: int, high: int) -> int:
    """A number of a rule; RedBeat writes dateutil's weekday objects as a mapping."""
    number = int(value["wkday"] if isinstance(value, Mapping) else value)
    if not low <= number <= high:
        raise TimingError("schedule", f"RedBeat's rrule has {part} {number}", f"use {low} to {high}")
    return number


def _solar(given: dict[str, Any], clock: WallClock) -> Rule:
    return solar(f"{given['event']} {given['lat']} {given['lon']}")


READERS = {"interval": _interval, "crontab": _crontab, "rrule": _rrule, "solar": _solar}


def to_redbeat(timing: Timing, due: datetime | None, zone: str = "UTC") -> dict[str, Any]:
    """The Timing as near as RedBeat's types can say it; its decoder loads the answer.

    ``every`` becomes an interval, a cron expression a crontab where Celery's means the same in ``zone``, Celery's own,
    and anything else the single instant ``due``, or one that is long past if nothing is due any more.
    """
    if timing.kind == "redbeat":
        return dict(json.loads(timing.text))
    if isinstance(timing.rule, Every):
        return {"__type__": "interval", "every": timing.rule.step.total_seconds(), "relative": False}
    if timing.kind == "cron" and timing.zone == zone:
        crontab = to_crontab(parse_cron(timing.text, timing.name))
        if crontab is not None:
            return {"__type__": "crontab", **crontab}
    moment = 0 if due is None else int(due.timestamp())
    return {"__type__": "rrule", "freq": FREQUENCIES.index("DAILY"), "dtstart": moment, "dtstart_tz": 0, "count": 1}


def to_crontab(cron: Cron) -> dict[str, str] | None:
    """The arguments of Celery's crontab, or None if it cannot mean the same."""
    days = cron.days
    # Celery's crontab has no seconds, and cannot say that either day field is enough.
    if cron.fields[0] != "0" or not days.both:
        return None
    if days.before_last or days.nearest or days.last_weekday or days.nth or days.last:
        return None
    _, minute, hour, day, month, weekday = cron.fields
    texts = dict(zip(FIELDS, (minute, hour, day, month, weekday), strict=True))
    sets = dict(zip(FIELDS, (cron.minutes, cron.hours, days.dates, cron.months, days.weekdays), strict=True))
    return {field: _spelled(field, texts[field], frozenset(sets[field])) for field in FIELDS}


def _spelled(field: str, text: str, numbers: frozenset[int]) -> str:
    """The field's own text if Celery reads the same numbers from it, else the numbers."""
    text = "*" if text == "?" else text
    try:
        if celery_numbers(field, text) == numbers:
            return text
    except TimingError:
        pass
    return ",".join(map(str, sorted(numbers)))
