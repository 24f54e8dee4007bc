"""Who changed what, and why; and taking it back."""

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
SHOWN = 100


@pages.get("/audit")
def index() -> Response:
    """The newest changes; of one schedule with ?schedule=."""
    name = request.args.get("schedule", "")
    lines = service().store.audit.lines(SHOWN, name)
    if wants_json():
        return as_json({"changes": lines})
    return page(
        "audit.html", lines=[(line, differences(line), undoing.can_be_undone(line)) for line in lines], name=name
    )


def differences(line: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Each field that the change touched, before and after."""
    return compare(line.get("before") or {}, line.get("after") or {})


@pages.post("/audit/<line_id>/undo")
def undo(line_id: str) -> AnyResponse:
    """Take one line back."""
    found = undoing.undo(service().store, line_id, tasks=service().tasks, by=USER, allowed=refuse_commands)
    sentence = f"Undone: {found}."
    if found.kind != "remove":
        return done(found.name, sentence)
    flash(sentence)
    return redirect(url_for("audit.index"), 303)


def refuse_commands(found: Undo) -> None:
    """An old command is as good as any other for who wants to run one; see ``forms.command_errors``."""
    fields, before = found.fields or {}, found.entry.fields if found.entry else {}
    same = all(fields.get(key) == before.get(key) for key in ("task", *forms.SHAPES))
    if found.fields is not None and fields.get("task") in forms.COMMANDS and not same:
        sentence = f"{fields['task']} runs a command: take this back with `scheduler undo`"
        raise RefusedChange(sentence)
