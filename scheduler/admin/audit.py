"""The audit log: who changed what, and why; undo of one change."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from scheduler.admin.answers import as_json, page, wants_json
from scheduler.admin.bulk import parts as bulk_parts
from scheduler.admin.bulk import told
from scheduler.admin.editing import done
from scheduler.admin.people import user
from scheduler.admin.service import service
from scheduler.changes import undo as undoing
from scheduler.changes.plan import compare
from scheduler.errors import Conflict, NotFound, RefusedChange, SchedulerError

pages = Blueprint("audit", __name__)
MAX_LINES = 100
MAX_READ = 2_500  #: lines that are looked at, of which an act on many schedules has many


@pages.get("/audit")
def index() -> Response:
    """The newest changes; those of one schedule with ``?schedule=``."""
    name = request.args.get("schedule", "")
    lines = service().store.audit.lines(MAX_LINES if name else MAX_READ, name)
    if wants_json():
        return as_json({"changes": lines[:MAX_LINES]})
    return page("audit.html", lines=[shown(its) for its in grouped(lines)[:MAX_LINES]], name=name)


def grouped(lines: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The lines, those of one act on many schedules together."""
    found: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        found.setdefault(str(line.get("group") or line["id"]), []).append(line)
    return list(found.values())


def shown(its: list[dict[str, Any]]) -> dict[str, Any]:
    """One row of the page."""
    line = its[0]
    is_undoable = any(map(undoing.can_be_undone, its))
    names = [str(it["schedule"]) for it in its]
    return {"line": line, "fields": differences(line), "is_undoable": is_undoable, "names": names}


def differences(line: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Each changed field with its values before and after."""
    return compare(line.get("before") or {}, line.get("after") or {})


@pages.post("/audit/<line_id>/undo")
def undo(line_id: str) -> AnyResponse:
    """Undo one change."""
    tasks, file_only = service().tasks, service().file_only
    try:
        undone = undoing.undo(service().store, line_id, tasks=tasks, by=user(), file_only=file_only)
    except (Conflict, NotFound, RefusedChange) as error:
        return refused(error)
    result = f"Undone: {undone}."
    if undone.kind != "remove":
        return done(undone.name, result)
    flash(result)
    return redirect(url_for("audit.index"), 303)


@pages.post("/audit/groups/<group>/undo")
def undo_group(group: str) -> AnyResponse:
    """Undo an act on many schedules."""
    try:
        flash(told("Undone:", bulk_parts().undo(group, user())))
    except NotFound as error:
        return refused(error)
    return redirect(url_for("audit.index"), 303)


def refused(error: SchedulerError) -> AnyResponse:
    """The log as it is now, with the reason why nothing was undone."""
    if wants_json():
        raise error
    flash(f"Nothing was changed: {error}.", "bad")
    return redirect(url_for("audit.index"), 303)
