"""The nouns of this service: frozen, and free of I/O."""

from __future__ import annotations

from scheduler.model.entry import Declared, Entry, Overlaid, Pause, SkipNext, read_instant
from scheduler.model.fields import NAME_PATTERN, NO_CONTROLS, NOTHING, TIMING_KINDS
from scheduler.model.file import Group, ScheduleFile
from scheduler.model.policies import KEEP_RESULT, KILL_AFTER, Policies
from scheduler.model.problem import Position, Problem
from scheduler.model.reasons import Reason
from scheduler.model.run import Outcome, Run, instant_of, read_run_id, run_id
from scheduler.model.schedule import TIMING_FIELDS, Schedule
from scheduler.model.then import Then

__all__ = [
    "KEEP_RESULT",
    "KILL_AFTER",
    "NAME_PATTERN",
    "NOTHING",
    "NO_CONTROLS",
    "TIMING_FIELDS",
    "TIMING_KINDS",
    "Declared",
    "Entry",
    "Group",
    "Outcome",
    "Overlaid",
    "Pause",
    "Policies",
    "Position",
    "Problem",
    "Reason",
    "Run",
    "Schedule",
    "ScheduleFile",
    "SkipNext",
    "Then",
    "instant_of",
    "read_instant",
    "read_run_id",
    "run_id",
]
