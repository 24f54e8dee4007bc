"""The audit log, and undo."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from scheduler.changes import undo as undoing
from scheduler.operations.answers.schedules import Lines, Undone
from scheduler.operations.operation import Instant, Model, Parts, Text, operation
from scheduler.status.as_json import line_json
from scheduler.storage.audit import Wanted

LINE_ID = r"^([1-9][0-9]{0,17}-[0-9]{1,18})?$"  #: no line is older than 0-0, so Redis refuses to look before it


class LinesAsked(Model):
    """Which lines."""

    schedule: Text = Field("", description="Exactly this schedule.")
    by: Text = Field("", description="Text in the name of who did it.")
    change: Text = Field("", description="What was done, such as `edit`, `pause` or `run`.")
    since: Instant | None = None
    cursor: str = Field("", pattern=LINE_ID, description="`next` of the page before.")
    limit: int = Field(100, ge=1, le=1000)


@operation("GET", "/audit", "viewer", Lines, LinesAsked)
def lines(its: Parts, asked: LinesAsked) -> dict[str, Any]:
    """Show who changed what, when and why, newest first."""
    wanted = Wanted(asked.schedule, asked.by, asked.change, asked.since.timestamp() if asked.since else 0.0)
    page = its.store.audit.find(wanted, asked.cursor, asked.limit)
    return {"items": list(map(line_json, page.lines)), "next": page.older or None}


@operation("POST", "/audit/{line_id}/undo", "editor", Undone)
def undo(its: Parts, line_id: str) -> dict[str, Any]:
    """Undo one change; refused where the same keys were changed again later."""
    file_only = () if its.is_host else its.file_only
    done = undoing.undo(its.store, line_id, tasks=its.tasks, by=its.user, file_only=file_only)
    return {"undone": line_id, "kind": done.kind, "schedule": done.name, "sentence": str(done)}


OPERATIONS = (lines, undo)
