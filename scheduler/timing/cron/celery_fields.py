"""The fields of Celery's ``crontab`` as Celery reads them, which is not how cron does."""

from __future__ import annotations

import re
from collections.abc import Sequence

from scheduler.timing.cron.fields import MONTHS, WEEKDAYS
from scheduler.timing.errors import TimingError

#: field of RedBeat's JSON to (lowest, highest)
FIELDS = {
    "minute": (0, 59),
    "hour": (0, 23),
    "day_of_month": (1, 31),
    "month_of_year": (1, 12),
    "day_of_week": (0, 6),
}
TERM = re.compile(r"(?:(?P<star>\*)|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>[0-9]{1,4}))?", re.ASCII)


def celery_numbers(field: str, spec: object) -> frozenset[int]:
    """The numbers of a field of Celery's crontab, given as a number, a list of numbers, or a text with ``* / - ,``.

    Ranges may run backwards (they wrap around), and names count by their first three letters in every field.
    TimingError if Celery would refuse it.
    """
    low, high = FIELDS[field]
    if isinstance(spec, str):
        numbers = {value for term in spec.split(",") for value in _term(field, term.strip())}
    elif isinstance(spec, int):
        numbers = {spec}
    elif isinstance(spec, Sequence) and all(isinstance(value, int) for value in spec):
        numbers = set(spec)
    else:
        raise _refusal(field, spec)
    if not numbers or not all(low <= value <= high for value in numbers):
        raise _refusal(field, spec)
    return frozenset(numbers)


def _term(field: str, term: str) -> list[int]:
    low, high = FIELDS[field]
    match = TERM.fullmatch(term)
    if match is None or (match["step"] and not (match["star"] or match["last"])):
        return [_number(field, term)]
    if match["step"] is not None and int(match["step"]) == 0:
        raise _refusal(field, term)
    step = int(match["step"] or 1)
    if match["star"]:
        return list(range(low, high + 1, step))
    first = _number(field, match["first"])
    last = _number(field, match["last"]) if match["last"] else first
    values = range(first, last + 1) if first <= last else (*range(first, high + 1), *range(low, last + 1))
    return list(values[::step])


def _number(field: str, text: str) -> int:
    low, high = FIELDS[field]
    short = text[:3].upper()
    if short in MONTHS:
        value = MONTHS.index(short) + 1
    elif short in WEEKDAYS:
        value = WEEKDAYS.index(short)
    elif re.fullmatch("[0-9]{1,4}", text):
        value = int(text)
    else:
        raise _refusal(field, text)
    if not low <= value <= high:
        raise _refusal(field, text)
    return value


def _refusal(field: str, spec: object) -> TimingError:
    low, high = FIELDS[field]
    problem = f"Celery's crontab cannot have {field} {str(spec)[:40]!r}"
    return TimingError("schedule", problem, f"use {low} to {high}, and * / - , between them")
