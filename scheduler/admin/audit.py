"""The audit log: who changed what, and why; undo of one change."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from scheduler.admin.answers import as_json, page, wants_json
from scheduler.admin.editing import done
from scheduler.admin.people import user
from scheduler.admin.service import service
from scheduler.changes import undo as undoing
from scheduler.changes.plan import compare

pages = Blueprint("audit", __name__)
MAX_LINES = 100


@pages.get("/audit")
def index() -> Response:
    """The newest changes; those of one schedule with ``?schedule=``."""
    name = request.args.get("schedule", "")
    lines = service().store.audit.lines(MAX_LINES, name)
    if wants_json():
        return as_json({"changes": lines})
    return page(
        "audit.html", lines=[(line, differences(line), undoing.can_be_undone(line)) for line in lines], name=name
    )


def differences(line: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Each changed field with its values before and after."""
    return compare(line.get("before") or {}, line.get("after") or {})


@pages.post("/audit/<line_id>/undo")
def undo(line_id: str) -> AnyResponse:
    """Undo one change."""
    tasks, file_only = service().tasks, service().file_only
    undone = undoing.undo(service().store, line_id, tasks=tasks, by=user(), file_only=file_only)
    result = f"Undone: {undone}."
    if undone.kind != "remove":
        return done(undone.name, result)
    flash(result)
    return redirect(url_for("audit.index"), 303)
