"""What beat keeps of a schedule's policies: one object for equal ones, and the words that Lua reads."""

from __future__ import annotations

from functools import lru_cache
from operator import attrgetter
from typing import Any

from scheduler.model import Policies, Schedule

POLICY_VALUES = attrgetter(*Policies.model_fields)


def shared(schedule: Schedule) -> Policies:
    """Its policies, one object for all schedules with the same: beat keeps them for each entry that it sends."""
    return policies_of(POLICY_VALUES(schedule))


@lru_cache(maxsize=1000)
def policies_of(values: tuple[Any, ...]) -> Policies:
    return Policies.model_construct(**dict(zip(Policies.model_fields, values, strict=True)))


def row_of(schedule: Schedule) -> str:
    """What Lua needs in the rows of few schedules, as the end of a JSON object."""
    group = f',"group":"{schedule.group}"' if schedule.group else ""
    group += f',"followers":"{schedule.then.words()}"' if schedule.then else ""
    return group + (f',"pause_after":"{schedule.pause_after_failures}"' if schedule.pause_after_failures else "")


def rules_of(schedule: Schedule) -> str:
    """Overlap, how many runs may wait, and the group, as commit.lua reads them; most schedules have the first alone."""
    if schedule.group is None and schedule.max_queued == 1:
        return schedule.overlap
    return f"{schedule.overlap} {schedule.max_queued} {schedule.group or ''}".strip()
