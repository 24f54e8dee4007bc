"""Cron expressions: five fields, or six with seconds first, read as Debian's cron reads them, with Quartz's L, W and #.

Parsing is ours rather than a library's: a refusal has to name the field and the remedy, and no maintained parser knows
``?``, ``W`` and ``~`` together.
"""

from __future__ import annotations

import difflib
import re

from scheduler.kept import kept
from scheduler.timing.cron.expression import Cron, Days, can_fire
from scheduler.timing.cron.fields import DAY, HOUR, MINUTE, MONTH, SECOND, WEEKDAY, number, numbers
from scheduler.timing.errors import TimingError

MAX_TEXT_LENGTH = 1000
ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


def parse(text: str, name: str = "") -> Cron:
    """Compile an expression; ``~`` is spread by the schedule's name. TimingError if it is wrong or never fires."""
    if len(text) > MAX_TEXT_LENGTH:
        raise TimingError(
            "cron", f"cron is {len(text):,} characters long", f"write at most {MAX_TEXT_LENGTH} characters"
        )
    # Only ~ depends on the name: without it, schedules with the same text share one expression.
    return _parse(text.strip(), name if "~" in text else "")


@kept(8192)
def _parse(text: str, name: str) -> Cron:
    fields = split(text)
    second, minute, hour, day, month, weekday = fields
    times = numbers(SECOND, second, name), numbers(MINUTE, minute, name), numbers(HOUR, hour, name)
    days, months = parse_days(day, weekday, name), numbers(MONTH, month, name)
    if not can_fire(days, months):
        raise TimingError(
            "cron",
            f"{text!r} never fires: none of its months has such a day",
            "change the day-of-month or the month; L is the last day of any month",
        )
    return Cron(fields, *times, days, months)


def split(text: str) -> tuple[str, ...]:
    """Six fields in upper case, aliases resolved, with ``0`` for seconds that were left out."""
    for character in text:
        if not " " <= character <= "~" and character != "\t":
            problem = f"cron holds the character {character!r}"
            raise TimingError("cron", problem, "use letters, digits and * / , - # ~ ? @")
    if text.startswith("@"):
        text = _alias(text)
    fields = text.upper().split()
    if len(fields) == 5:
        fields.insert(0, "0")
    if len(fields) != 6:
        raise TimingError(
            "cron",
            f"cron {text[:40]!r} has {len(fields)} field{'s' if len(fields) != 1 else ''}",
            "write five (minute hour day-of-month month day-of-week), or six with seconds first",
        )
    return tuple(fields)


def _alias(text: str) -> str:
    known = ALIASES.get(text.lower())
    if known:
        return known
    if text.lower() == "@reboot":
        raise TimingError("cron", "@reboot has no due instants", "make it a systemd unit that starts with the machine")
    near = difflib.get_close_matches(text.lower()[:20], [*ALIASES, "@every"], n=1)
    meant = f"did you mean {near[0]}?" if near else f"use {', '.join(ALIASES)} or @every 10m"
    raise TimingError("cron", f"cron {text[:40]!r} is not known", meant)


@kept(1024)
def parse_days(day: str, weekday: str, name: str) -> Days:
    """Both day fields; they are ORed when both are restricted, ANDed when one starts with ``*`` or is ``?``."""
    both = day.startswith("*") or weekday.startswith("*") or "?" in (day, weekday)
    dates: set[int] = set()
    special: dict[str, set[int]] = {"L": set(), "W": set()}
    last_weekday = False
    for term in ("*" if day == "?" else day).split(","):
        if term == "LW":
            last_weekday = True
        elif match := re.fullmatch(r"L(?:-([0-9]+))?", term):
            back = int(match[1] or 0)
            if back > 30:
                DAY.refuse(term, "is out of range", "use L, or L-1 to L-30")
            special["L"].add(back)
        elif term.endswith("W"):
            special["W"].add(number(DAY, term, term[:-1]))
        else:
            dates |= numbers(DAY, term, name)
    weekdays, nth, last = _parse_weekdays("*" if weekday == "?" else weekday, name)
    return Days(
        frozenset(dates), frozenset(special["L"]), frozenset(special["W"]), last_weekday, weekdays, nth, last, both
    )


def _parse_weekdays(text: str, name: str) -> tuple[frozenset[int], frozenset[tuple[int, int]], frozenset[int]]:
    weekdays: set[int] = set()
    nth: set[tuple[int, int]] = set()
    last: set[int] = set()
    for term in text.split(","):
        if "#" in term:
            weekday, _, count = term.partition("#")
            if count not in ("1", "2", "3", "4", "5"):
                WEEKDAY.refuse(term, "is out of range", "use #1 to #5, such as MON#1 for the first Monday")
            nth.add((number(WEEKDAY, term, weekday) % 7, int(count)))
        elif term == "L":
            WEEKDAY.refuse(term, "names no day", "write 5L or FRIL for the last Friday of the month")
        elif term.endswith("L"):
            last.add(number(WEEKDAY, term, term[:-1]) % 7)
        else:
            weekdays |= {value % 7 for value in numbers(WEEKDAY, term, name)}
    return frozenset(weekdays), frozenset(nth), frozenset(last)
