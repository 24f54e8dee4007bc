"""Parse the fields of a cron expression into sets of numbers; errors name field, term and remedy."""

from __future__ import annotations

import difflib
import hashlib
import re
from dataclasses import dataclass
from typing import NoReturn

from scheduler.kept import kept
from scheduler.timing.errors import TimingError

WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
TERM = re.compile(r"(?P<base>[^/]*)(?:/(?P<step>.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """One field: its name in messages, range of numbers, count of distinct values, and names for numbers."""

    name: str
    low: int
    high: int
    size: int
    names: tuple[str, ...] = ()

    def refuse(self, term: str, problem: str, remedy: str = "") -> NoReturn:
        """Raise TimingError about a term of this field."""
        raise TimingError("cron", f"{self.name} {term[:40]!r} {problem}", remedy or f"use {self.low} to {self.high}")


SECOND = Field("second", 0, 59, 60)
MINUTE = Field("minute", 0, 59, 60)
HOUR = Field("hour", 0, 23, 24)
DAY = Field("day-of-month", 1, 31, 31)
MONTH = Field("month", 1, 12, 12, MONTHS)
WEEKDAY = Field("day-of-week", 0, 7, 7, WEEKDAYS)


def spread(name: str, term: str, low: int, high: int) -> int:
    """A number from low to high for a schedule's name: the same on every machine and after every restart."""
    digest = hashlib.blake2b(f"{name}\0{term}".encode(), digest_size=8).digest()
    return low + int.from_bytes(digest) % (high - low + 1)


@kept(4096)
def numbers(field: Field, text: str, name: str) -> frozenset[int]:
    """The numbers of a comma-separated field; the schedule's name decides the value of ``~``."""
    values: set[int] = set()
    for term in text.split(","):
        values |= set(term_numbers(field, term, name))
    return frozenset(values)


def term_numbers(field: Field, term: str, name: str) -> range:
    """The numbers of one term: ``*``, ``7``, ``1-5``, ``~``, ``10~20``, each with an optional ``/step``."""
    match = TERM.fullmatch(term)
    base, step_text = match.group("base", "step") if match else (term, None)
    step = 1 if step_text is None else step_size(field, term, step_text)
    if base == "*":
        return range(field.low, field.low + field.size, step)
    if "~" in base:
        return spread_range(field, term, base, step if step_text is not None else None, name)
    if "-" in base:
        low, high = bounds(field, term, *base.split("-", 1))
        return range(low, high + 1, step)
    value = number(field, term, base)
    return range(value, field.high + 1, step) if step_text is not None else range(value, value + 1)


def bounds(field: Field, term: str, first: str, last: str) -> tuple[int, int]:
    """Both ends of a range; Sunday as its end is 7, so that FRI-SUN is three days."""
    low, high = number(field, term, first), number(field, term, last)
    if field is WEEKDAY and last == "SUN" and low > 0:
        high = 7
    if high < low:
        if field is WEEKDAY and high == 0:
            field.refuse(term, "runs backwards", f"write {first}-7: Sunday is 0 and 7")
        field.refuse(term, "runs backwards", f"write {first}-{field.high},{field.low}-{last}, or swap the two")
    return low, high


def spread_range(field: Field, term: str, base: str, step: int | None, name: str) -> range:
    """The values of a ``~`` term: one value of the field or range; with a step, it picks the start of the steps."""
    first, last = base.split("~", 1)
    low, high = bounds(field, term, first or str(field.low), last or str(field.low + field.size - 1))
    if field is DAY and low <= 28:
        # Days up to the 28th exist in every month: a spread day must not skip February.
        high = min(high, 28)
    value = spread(name, f"{field.name} {term}", low, high if step is None else min(high, low + step - 1))
    return range(value, value + 1) if step is None else range(value, high + 1, step)


def step_size(field: Field, term: str, text: str) -> int:
    """The number after the slash; raises TimingError unless it is from 1 to the field's size."""
    if not re.fullmatch("[0-9]+", text):
        field.refuse(term, "has a step that is not a number", "write it like */5")
    step = int(text)
    if step == 0:
        field.refuse(term, "has a step of zero", f"use a step from 1 to {field.size}")
    if step > field.size:
        field.refuse(term, "has a step larger than the field", f"use a step from 1 to {field.size}")
    return step


def number(field: Field, term: str, text: str) -> int:
    """Parse one number or name; raises TimingError."""
    if text in field.names:
        return field.names.index(text) + (1 if field is MONTH else 0)
    if re.fullmatch("[0-9]+", text):
        if field.low <= int(text) <= field.high:
            return int(text)
        field.refuse(term, "is out of range")
    wrong = "is not a number" + (" or name" if field.names else "")
    field.refuse(term, wrong if text else "is empty", hint(field, text))


def hint(field: Field, text: str) -> str:
    """What to write instead of an unknown word."""
    plain = f"use {field.low} to {field.high}"
    if text[:3] in field.names:
        return f"write {text[:3]}"
    if text[:3] in WEEKDAYS:
        return "names of days belong in the day-of-week field, the last one"
    if text[:3] in MONTHS:
        return "names of months belong in the month field, the last but one"
    near = difflib.get_close_matches(text[:10], field.names, n=1) if text else []
    if near:
        return f"did you mean {near[0]}?"
    return f"{plain}, or {field.names[0]} to {field.names[-1]}" if field.names else plain
