"""The audit log: who changed what, and why; undo of one change."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from scheduler.admin import forms
from scheduler.admin.answers import as_json, page, wants_json
from scheduler.admin.editing import done
from scheduler.admin.service import USER, service
from scheduler.changes import undo as undoing
from scheduler.changes.plan import compare
from scheduler.changes.undo import Undo
from scheduler.errors import RefusedChange

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
    undone = undoing.undo(service().store, line_id, tasks=service().tasks, by=USER, allowed=refuse_commands)
    result = f"Undone: {undone}."
    if undone.kind != "remove":
        return done(undone.name, result)
    flash(result)
    return redirect(url_for("audit.index"), 303)


def refuse_commands(wanted: Undo) -> None:
    """Raise RefusedChange for an undo that would set a command, even an old one; see ``forms.command_errors``."""
    fields, before = wanted.fields or {}, wanted.entry.fields if wanted.entry else {}
    same = all(fields.get(key) == before.get(key) for key in ("task", *forms.SHAPES))
    if wanted.fields is not None and fields.get("task") in forms.COMMANDS and not same:
        message = f"{fields['task']} runs a command, which the page cannot set: use `scheduler undo ID`"
        raise RefusedChange(message)
