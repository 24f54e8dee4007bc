"""Where somebody is logged in, and how to end that."""

from __future__ import annotations

from flask import Blueprint, Response, abort, flash, redirect, request, session, url_for
from werkzeug.wrappers import Response as AnyResponse

from scheduler.admin.answers import as_json, page, wants_json
from scheduler.admin.people import asking, opened, person, user
from scheduler.errors import NotFound
from scheduler.model.roles import ROLES
from scheduler.operations import sessions as operations

pages = Blueprint("sessions", __name__)


@pages.get("/sessions")
def index() -> Response:
    """The sessions of who asks; an admin sees everyone's."""
    theirs = [it for it in opened().all() if is_theirs(it.name)]
    shown = [it._asdict() | {"is_this": it.id == session.get("id")} for it in theirs]
    return as_json({"sessions": shown}) if wants_json() else page("sessions.html", sessions=shown)


@pages.post("/sessions/end")
def end() -> AnyResponse:
    """End one session; its browser has to log in again."""
    identity = request.form.get("id", "")
    chosen = next((it for it in opened().all() if it.id == identity), None)
    if chosen is None:
        if wants_json():
            raise NotFound("this session has ended already")
        flash("This session has ended already.", "held")
        return redirect(url_for("sessions.index"), 303)
    if not is_theirs(chosen.name):
        abort(403, "Not allowed: this is another person's session. An admin can end it.")
    operations.end(asking(), session_id=identity)
    flash(f"Ended the session of {chosen.name}.")
    return redirect(url_for("sessions.index"), 303)


def is_theirs(name: str) -> bool:
    """Whether who asks may see and end a session of this name."""
    who = person()
    return who is not None and (who.role == ROLES[-1] or name == user())
