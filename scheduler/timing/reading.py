"""Read the text of one kind of timing."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from scheduler.timing.cron import text as cron_text
from scheduler.timing.durations import parse_duration
from scheduler.timing.errors import TimingError
from scheduler.timing.instants import parse_instant
from scheduler.timing.rrule import rrule
from scheduler.timing.rules import Every, Once, OnTheClock, Rule
from scheduler.timing.segments import wall_clock
from scheduler.timing.solar import solar
from scheduler.timing.zones import EPOCH

KINDS = ("cron", "every", "at", "rrule", "solar")
MIN_STEP = timedelta(milliseconds=1)


def read_rule(kind: str, text: str, zone: str = "UTC", name: str = "", start: datetime | None = None) -> Rule:
    """The rule of a timing's text, without what its schedule adds; raises TimingError."""
    clock = wall_clock(zone)
    if kind == "every":
        return _every("every", text, start)
    if kind == "at":
        return Once(parse_instant(text, zone))
    if kind == "cron" and re.match(r"@every\b", text, re.IGNORECASE):
        if not text[6:].strip():
            raise TimingError("cron", f"cron {text!r} has no duration", "write it like @every 10m")
        return _every("cron", text[6:].strip(), start)
    if kind == "cron":
        expression = cron_text.parse(text, name)
        return OnTheClock(clock, expression, fixed=expression.fixed)
    if kind == "rrule":
        return rrule(text, clock, start)
    return solar(text)


def _every(field: str, text: str, start: datetime | None) -> Rule:
    try:
        step = parse_duration(text)
    except TimingError as error:
        raise TimingError(field, error.problem.replace("duration", "every", 1), error.remedy) from None
    if step < MIN_STEP:
        raise TimingError(field, f"every {text!r} is too short", "write 1ms or more, such as 30s")
    return Every(EPOCH if start is None else start, step)
