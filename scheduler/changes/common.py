"""Shared by all changes: errors, the clock, audit lines."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from scheduler.errors import RefusedChange
from scheduler.model import Entry, Problem
from scheduler.storage.audit import audit_line

Tasks = Mapping[str, inspect.Signature | None] | None
DECLARED_IN = {"file": "the schedule file", "app": "the application's beat_schedule"}  #: by origin
ATTEMPTS = 5  #: tries to write a change before Conflict is raised


class Invalid(RefusedChange):
    """The schedule is invalid; see ``problems``."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


def needs_reschedule(before: Entry, after: Entry) -> bool:
    """Whether the change may affect when beat has to look at the entry."""
    return before.due != after.due or before.pause != after.pause or bool(before.error)


def line_of(
    name: str, by: str, now: datetime, what: str, before: Entry | None, after: Entry | None, why: str = ""
) -> dict[str, Any]:
    """The audit line of a change of one entry, with everything that undo needs."""
    was, then = (entry.fields if entry else None for entry in (before, after))
    line = audit_line(by, now, what, was, then, why, schedule=name)
    pauses = [asdict(entry.pause) if entry and entry.pause else None for entry in (before, after)]
    if pauses[0] != pauses[1]:
        line["pause"] = pauses
    skips = [asdict(entry.skip) if entry and entry.skip else None for entry in (before, after)]
    if skips[0] != skips[1]:
        line["skip"] = skips
    if after is None and before is not None:
        line["runs"] = before.total_run_count
        if before.base:
            overlay = {key: asdict(note) for key, note in before.overlay.items()}
            line |= {"base": before.base, "overlay": overlay}
    return line
