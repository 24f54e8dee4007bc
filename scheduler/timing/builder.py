"""Build a Timing from the text of a schedule."""

from __future__ import annotations

from datetime import datetime, timedelta

from scheduler.kept import kept
from scheduler.timing.calendars import calendar
from scheduler.timing.core import BEGINNING, TICK, Timing
from scheduler.timing.durations import format_duration
from scheduler.timing.errors import TimingError
from scheduler.timing.instants import utc
from scheduler.timing.meant import meant
from scheduler.timing.reading import KINDS, read_rule
from scheduler.timing.segments import wall_clock
from scheduler.timing.zones import EPOCH

MAX_TEXT_LENGTH = 4000


def build(
    kind: str,
    text: str,
    *,
    zone: str = "UTC",
    name: str = "",
    start: datetime | None = None,
    end: datetime | None = None,
    excluded: tuple[str, ...] = (),
    jitter: timedelta = timedelta(0),
) -> Timing:
    """The Timing of a schedule; raises TimingError if it is invalid or can never fire.

    ``kind`` is one of KINDS and ``text`` the value of that key. ``zone`` is an IANA name. ``name`` spreads ``~``
    and jitter. ``start`` and ``end`` are aware and both included; ``start`` anchors ``every``. ``excluded`` are dates
    ("2026-12-25") or RRULE texts, read as dates in the zone. Results are cached.
    """
    if len(text) > MAX_TEXT_LENGTH:
        problem = f"{kind} is {len(text):,} characters long"
        raise TimingError(kind, problem, f"write at most {MAX_TEXT_LENGTH:,} characters")
    # Schedules with equal timings share one, and a large load builds each once.
    name = name if "~" in text or jitter else ""
    first, last = _bound("start", start), _bound("end", end)
    try:
        return _build(kind, text.strip(), zone, name, first, last, tuple(excluded), jitter)
    except TimingError as error:
        meaning = meant(kind, text.strip()) if error.field == kind else None
        if meaning is None:
            raise
        raise TimingError(kind, *meaning) from None


def _bound(field: str, value: datetime | None) -> datetime | None:
    if value is not None and value.tzinfo is None:
        raise TimingError(field, f"{field} {value.isoformat()} has no time zone", "add an offset, such as +00:00")
    return None if value is None else utc(value)


@kept(32_768)
def _build(
    kind: str,
    text: str,
    zone: str,
    name: str,
    start: datetime | None,
    end: datetime | None,
    excluded: tuple[str, ...],
    jitter: timedelta,
) -> Timing:
    if kind not in KINDS:
        raise TimingError("timing", f"unknown kind of timing {kind[:40]!r}", f"use {', '.join(KINDS)}")
    if start is not None and end is not None and end < start:
        raise TimingError("end", "end is before start", "swap the two, or remove one")
    if jitter < timedelta(0):
        raise TimingError("jitter", f"jitter {format_duration(jitter)} is negative", "write a duration such as 30s")
    rule = read_rule(kind, text, zone, name, start)
    days = calendar(excluded) if excluded else None
    clock = wall_clock(zone)
    timing = Timing(kind, text, zone, name, start, end, excluded, jitter, rule=rule, clock=clock, calendar=days)
    # A cron expression was checked when it was parsed; `every` and `at` always fire.
    if start or end or excluded or kind == "rrule":
        _check_fires(timing)
    return timing


def _check_fires(timing: Timing) -> None:
    # Rules of calendars start in 1970: search from there, where they apply.
    begin = EPOCH if timing.calendar else BEGINNING
    begin = begin if timing.start is None else timing.start - TICK
    if timing.next_after(begin) is not None:
        return
    if timing.calendar is not None and timing.next_due(begin) is not None:
        raise TimingError("except", "the timing never fires: every due day is excluded", "remove a calendar")
    if timing.end is not None:
        raise TimingError("end", "the timing never fires before its end", "move the end, or remove it")
    raise TimingError(timing.kind, f"{timing.kind} {timing.text[:60]!r} never fires", "change the text, or the start")
