"""Write changes made on the page into the schedule file: first the diff, then the button."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Response, request
from werkzeug.wrappers import Response as AnyResponse

from scheduler.admin.answers import as_json, page, wants_json
from scheduler.admin.editing import done, editable, in_place
from scheduler.admin.people import user
from scheduler.admin.service import service
from scheduler.changes import export
from scheduler.changes.export import Proposal
from scheduler.errors import CannotWrite
from scheduler.operations.file import digest, propose

pages = Blueprint("export", __name__)
CHANGED = "Not written: the file or the schedule has changed since you opened this page. This is the new diff."


@pages.get("/schedules/<segment:name>/file")
@in_place
def show(name: str) -> AnyResponse:
    """The diff that would write this schedule into the file; only one field with ``?field=``."""
    field = request.args.get("field", "")
    made = propose(service(), editable(name).name, field)
    if wants_json():
        return as_json({"file": str(made.path), "patch": made.patch, "reasons": made.reasons})
    return shown(name, field, made)


@pages.post("/schedules/<segment:name>/file")
@in_place
def write(name: str) -> AnyResponse:
    """Write the diff, if it is still the one that the person saw."""
    field = request.form.get("field", "")
    made = propose(service(), editable(name).name, field)
    if request.form.get("seen") != digest(made):
        return shown(name, field, made, 409, CHANGED)
    try:
        export.write(service().store, made, by=user())
    except CannotWrite as error:
        return shown(name, field, made, 409, str(error))
    return done(name, f"Written to {made.path.name}. Beat loads it within a second.")


def shown(name: str, field: str, made: Proposal, status: int = 200, wrong: str = "") -> Response:
    """The page with the patch; ``field`` empty for every changed field."""
    context = {"name": name, "field": field, "made": made, "seen": digest(made), "wrong": wrong}
    return page("file.html", status, patch=made.patch, file=Path(made.path), **context)
