"""Notes for a person: the effects of clock changes on a timing, and uneven intervals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from scheduler.timing.core import Timing
from scheduler.timing.english.language import day_of_year, joined
from scheduler.timing.english.words import every_words
from scheduler.timing.instants import utc
from scheduler.timing.rules import Every, OnTheClock
from scheduler.timing.segments import CORRECTION, Segment

SECOND = timedelta(seconds=1)
TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)
MAX_LISTED_RUNS = 3
Effect = Literal["moved", "skipped", "repeated", "once"]


@dataclass(frozen=True, slots=True)
class ClockNote:
    """A day on which a clock change affects a schedule.

    The effect on its run: ``moved`` to right after the gap, ``skipped``, ``repeated``, or ``once`` although its reading
    occurs twice.
    """

    on: date  #: in the schedule's zone
    effect: Effect
    words: str


def clock_changes(timing: Timing, after: datetime, until: datetime) -> list[ClockNote]:
    """The clock changes with after < change <= until that affect the timing.

    Timings with a constant interval in elapsed time, such as every 15 minutes, are not affected.
    """
    rule = timing.rule
    if not isinstance(rule, OnTheClock):
        return []
    notes = []
    for before, later in rule.clock.changes(utc(after), utc(until)):
        note = _forward(rule, before, later) if later.offset > before.offset else _back(rule, before, later)
        if note is not None and _touches(timing, later.start):
            notes.append(note)
    return notes


def uneven_every(timing: Timing) -> str | None:
    """A sentence about an ``every`` whose times of day change from day to day; else None."""
    if not isinstance(timing.rule, Every):
        return None
    step = timing.rule.step
    even = step % DAY if step > DAY else DAY % step
    return f"{every_words(step).lower()} does not divide a day: its times of day change every day" if even else None


def _touches(timing: Timing, change: datetime) -> bool:
    """Whether the change is between start and end, on a day that no calendar excludes."""
    begun = timing.start is None or timing.start <= change
    ended = timing.end is not None and timing.end < change
    return begun and not ended and not timing.is_excluded(change)


def _forward(rule: OnTheClock, before: Segment, later: Segment) -> ClockNote | None:
    """The note for clocks that go forward: they skip readings between two segments."""
    gap, resumed = before.wall_end, later.start + later.offset
    skipped = _readings(rule, gap, resumed)
    if not skipped:
        return None
    change = f"on {_date(gap)} the clocks go forward from {_time(gap)} to {_when(resumed, gap)}"
    if rule.fixed and (rule.corrections or resumed - gap < CORRECTION):
        return ClockNote(resumed.date(), "moved", f"{change}: {_runs(skipped)} moved to {_when(resumed, gap)}")
    # It runs as long after the jump as it would have without: the interval in elapsed time stays.
    if not rule.fixed and rule.after(later.start - TICK) == later.start + (skipped[0] - gap):
        return None
    return ClockNote(gap.date(), "skipped", f"{change}: {_runs(skipped)} skipped")


def _back(rule: OnTheClock, before: Segment, later: Segment) -> ClockNote | None:
    """The note for clocks that go back: they repeat readings of the segment before."""
    again, resumed = before.wall_end, later.start + later.offset
    repeated = _readings(rule, resumed, again)
    if not repeated:
        return None
    change = f"on {_date(resumed)} the clocks go back from {_when(again, resumed)} to {_time(resumed)}"
    if rule.fixed:
        return ClockNote(resumed.date(), "once", f"{change}: {_runs(repeated)} sent once, the first time")
    # If the hour after is like the repeated one, the interval in elapsed time stays, and there is nothing to tell.
    usual = rule.readings.reading(again)
    if usual is not None and usual - again == repeated[0] - resumed:
        return None
    return ClockNote(resumed.date(), "repeated", f"{change}: {_runs(repeated)} sent twice")


def _readings(rule: OnTheClock, low: datetime, high: datetime) -> list[datetime]:
    """The first few wall readings with low <= reading < high."""
    readings: list[datetime] = []
    reading = rule.readings.reading(low)
    # One more than is listed tells that there are more.
    while reading is not None and reading < high and len(readings) <= MAX_LISTED_RUNS:
        readings.append(reading)
        reading = rule.readings.reading(reading + SECOND)
    return readings


def _runs(readings: list[datetime]) -> str:
    """``the 02:30 run is``, ``the 02:00 and 02:30 runs are``."""
    if len(readings) > MAX_LISTED_RUNS:
        return f"the runs from {_time(readings[0])} on are"
    return f"the {joined(map(_time, readings))} run{'s are' if len(readings) > 1 else ' is'}"


def _when(wall: datetime, other: datetime) -> str:
    """A time of day, with its date if that is another one."""
    return _time(wall) if wall.date() == other.date() else f"{_time(wall)} on {_date(wall)}"


def _date(wall: datetime) -> str:
    return f"{day_of_year(wall)} {wall.year}"


def _time(wall: datetime) -> str:
    return f"{wall:%H:%M:%S}" if wall.second else f"{wall:%H:%M}"
