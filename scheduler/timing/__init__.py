"""When schedules are due: pure functions over aware UTC instants, for every kind of timing, in every zone.

No clock is read here and nothing is written: the answer depends on (timing, zone, instant) only.
"""

from __future__ import annotations

from scheduler.timing.builder import build
from scheduler.timing.calendar_event import from_calendar_event
from scheduler.timing.core import BEGINNING, Timing
from scheduler.timing.durations import format_duration, loose_duration, parse_duration
from scheduler.timing.english.grammar import from_words
from scheduler.timing.errors import TimingError
from scheduler.timing.instants import parse_instant
from scheduler.timing.meant import meant_fields, typed_fields
from scheduler.timing.notes import clock_changes, uneven_every
from scheduler.timing.previous import previous_due
from scheduler.timing.redbeat import from_redbeat, to_redbeat
from scheduler.timing.segments import LATEST
from scheduler.timing.zones import get_zone, zone_names

__all__ = [
    "BEGINNING",
    "LATEST",
    "Timing",
    "TimingError",
    "build",
    "clock_changes",
    "format_duration",
    "from_calendar_event",
    "from_redbeat",
    "from_words",
    "get_zone",
    "loose_duration",
    "meant_fields",
    "parse_duration",
    "parse_instant",
    "previous_due",
    "to_redbeat",
    "typed_fields",
    "uneven_every",
    "zone_names",
]
