"""Run a stretch of past due instants: look at it, begin it, stop it, resume it."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from scheduler.changes import backfills, clock
from scheduler.operations.answers.runs import Backfill, BackfillPlan
from scheduler.operations.operation import Instant, Model, Parts, operation
from scheduler.operations.pauses import NoteAsked
from scheduler.status.as_json import backfill_json
from scheduler.storage.backfills import Backfills, Only
from scheduler.storage.instants import iso


class BackfillAsked(Model):
    """Which due instants, and how many of their runs at once."""

    first: Instant
    last: Instant | None = Field(None, description="Now, if it is left out.")
    only: Only = Field("missed", description="Those that never ran, or whose run failed, was lost or stopped, or both.")
    max_running: int = Field(1, ge=1, le=100)
    dry_run: bool = Field(False, description="Show what would run, and change nothing.")


@operation("GET", "/schedules/{name}/backfill", "viewer", Backfill)
def show(its: Parts, name: str) -> dict[str, Any]:
    """Show how far the backfill of a schedule is."""
    return backfill_json(*Backfills(its.store.client, its.store.keys).get(name))


@operation("POST", "/schedules/{name}/backfill", "operator", BackfillPlan, BackfillAsked)
def begin(its: Parts, name: str, asked: BackfillAsked) -> dict[str, Any]:
    """Run past due instants of a schedule, oldest first; nothing, where there is nothing to run."""
    last = asked.last or clock()
    plan = backfills.plan(its.store, its.ledger, name, asked.first, last, asked.only, asked.max_running, its.user)
    if plan.runs and not asked.dry_run:
        backfills.begin(its.store, plan)
    body = {"runs": [iso(due) for due in plan.runs], "left": plan.left, "unknown": plan.unknown}
    return body | {"first": iso(plan.backfill.first), "last": iso(plan.backfill.last), "dry_run": asked.dry_run}


@operation("POST", "/schedules/{name}/backfill/stop", "operator", Backfill, NoteAsked)
def stop(its: Parts, name: str, asked: NoteAsked) -> dict[str, Any]:
    """Send no more runs of a backfill; those under way go on."""
    backfills.stop(its.store, name, its.user, asked.note)
    return show(its, name=name)  # type: ignore[no-any-return]


@operation("POST", "/schedules/{name}/backfill/resume", "operator", Backfill)
def resume(its: Parts, name: str) -> dict[str, Any]:
    """Let a stopped backfill go on."""
    backfills.resume(its.store, name, its.user)
    return show(its, name=name)  # type: ignore[no-any-return]


OPERATIONS = (show, begin, stop, resume)
