"""Durations as people write them: ``30s``, ``10m``, ``1h30m``, ``2d``, ``500ms``."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

from scheduler.kept import kept
from scheduler.timing.english.spelled_durations import spelled_duration
from scheduler.timing.errors import TimingError

UNITS = {"w": 604_800_000_000, "d": 86_400_000_000, "h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000, "ms": 1_000}
MAX_DURATION = timedelta(days=36_525)
PART = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)(ms|[wdhms])", re.ASCII)
WHOLE = re.compile(rf"(?:{PART.pattern}\s*)+", re.ASCII)
REMEDY = "write a number and a unit, such as 30s, 10m, 1h30m or 2d"


@kept(4096)
def parse_duration(text: str) -> timedelta:
    """Read ``1h30m``; units w d h m s ms from large to small, each once, decimals allowed; exact to the microsecond.

    Raise TimingError (field ``duration``) for anything else, for less than nothing and for more than 100 years.
    """
    shown = f"duration {text[:40]!r}"
    if len(text) > 100 or not WHOLE.fullmatch(text.strip()):
        raise TimingError("duration", *_complaint(text.strip(), shown))
    parts = PART.findall(text)
    order = [list(UNITS).index(unit) for _, unit in parts]
    if order != sorted(set(order)):
        remedy = "write large units first, each once: 1h30m"
        raise TimingError("duration", f"{shown} has its units out of order", remedy)
    micros = sum(Decimal(number) * UNITS[unit] for number, unit in parts)
    if micros != int(micros):
        raise TimingError("duration", f"{shown} is finer than a microsecond", "leave out the last decimals")
    if micros > MAX_DURATION // timedelta(microseconds=1):
        raise TimingError("duration", f"{shown} is longer than 100 years", "write a shorter duration")
    return timedelta(microseconds=int(micros))


@kept(4096)
def format_duration(value: timedelta) -> str:
    """The canonical text, ``1h30m``, which parse_duration reads back as the same value."""
    rest = abs(value) // timedelta(microseconds=1)
    sign = "-" if value < timedelta(0) else ""
    shown = []
    for unit in ("d", "h", "m", "s"):
        count, rest = divmod(rest, UNITS[unit])
        if count:
            shown.append(f"{count}{unit}")
    if rest:
        shown.append(f"{Decimal(rest) / 1000:f}ms")
    return sign + ("".join(shown) or "0s")


def loose_duration(text: str) -> str | None:
    """The canonical text of a duration in another program's spelling, such as ``10 minutes``; None if it is none."""
    spelled = spelled_duration(text[:100])
    try:
        length = parse_duration(spelled) if spelled else timedelta(0)
    except TimingError:
        return None
    return format_duration(length) if length else None


def _complaint(text: str, shown: str) -> tuple[str, str]:
    """What is wrong with an invalid duration, and what to write instead."""
    if not text:
        return "duration is empty", REMEDY
    if re.fullmatch(r"\d{1,12}(\.\d{1,6})?", text, re.ASCII):
        return f"{shown} has no unit", f"write {text}s for seconds or {text}m for minutes"
    if text.startswith("-"):
        return f"{shown} is negative", REMEDY
    meant = loose_duration(text)
    return f"{shown} is not a duration", f"write {meant}" if meant else REMEDY
