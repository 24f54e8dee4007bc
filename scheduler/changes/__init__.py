"""The only way to change schedules, for the file, the page and the command line."""

from __future__ import annotations

from scheduler.changes.acts import Restored, create, edit, gate, give_back, remove, revert, skip, unskip
from scheduler.changes.checked import Checked, check
from scheduler.changes.common import Invalid, Tasks
from scheduler.changes.file import apply, load_for_beat, plan_for
from scheduler.changes.later import run_at
from scheduler.changes.pauses import pause, resume
from scheduler.changes.runs import RETRYABLE, Known, retry, run, stop
from scheduler.storage.instants import clock

__all__ = [
    "RETRYABLE",
    "Checked",
    "Invalid",
    "Known",
    "Restored",
    "Tasks",
    "apply",
    "check",
    "clock",
    "create",
    "edit",
    "gate",
    "give_back",
    "load_for_beat",
    "pause",
    "plan_for",
    "remove",
    "resume",
    "retry",
    "revert",
    "run",
    "run_at",
    "skip",
    "stop",
    "unskip",
]
