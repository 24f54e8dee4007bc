"""The audit log, and undo."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from scheduler.changes import undo as undoing
from scheduler.operations.answers.schedules import Lines, Undone
from scheduler.operations.operation import Model, Parts, operation
from scheduler.status.as_json import line_json

LINE_ID = r"^([1-9][0-9]{0,17}-[0-9]{1,18})?$"  #: no line is older than 0-0, so Redis refuses to look before it


class LinesAsked(Model):
    """Which lines."""

    schedule: Annotated[str, Field(max_length=200)] = ""
    cursor: str = Field("", pattern=LINE_ID, description="`next` of the page before.")
    limit: int = Field(100, ge=1, le=1000)


@operation("GET", "/audit", "viewer", Lines, LinesAsked)
def lines(its: Parts, asked: LinesAsked) -> dict[str, Any]:
    """Show who changed what, when and why, newest first."""
    found = its.store.audit.lines(asked.limit + 1, asked.schedule, asked.cursor)
    shown = found[: asked.limit]
    return {"items": list(map(line_json, shown)), "next": shown[-1]["id"] if len(found) > len(shown) else None}


@operation("POST", "/audit/{line_id}/undo", "editor", Undone)
def undo(its: Parts, line_id: str) -> dict[str, Any]:
    """Undo one change; refused where the same keys were changed again later."""
    file_only = () if its.is_host else its.file_only
    done = undoing.undo(its.store, line_id, tasks=its.tasks, by=its.user, file_only=file_only)
    return {"undone": line_id, "kind": done.kind, "schedule": done.name, "sentence": str(done)}


OPERATIONS = (lines, undo)
