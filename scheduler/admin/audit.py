"""The audit log: who changed what, and why; undo of one change."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from scheduler.admin.answers import as_json, page, wants_json
from scheduler.admin.bulk import told
from scheduler.admin.editing import done
from scheduler.admin.people import asking, user
from scheduler.admin.search_form import NewestFirst, instant, texts
from scheduler.admin.service import service
from scheduler.changes import undo as undoing
from scheduler.changes.plan import compare
from scheduler.errors import Conflict, NotFound, RefusedChange, SchedulerError
from scheduler.operations import audit as operations
from scheduler.operations.audit import LINE_ID
from scheduler.operations.bulk import bulk_of
from scheduler.storage.audit import MAX_LOOKED_AT, Wanted

pages = Blueprint("audit", __name__)
MAX_ROWS = 100
#: What the form offers; a line may have another word, from an older release.
CHANGES = (
    *("add", "update", "rename", "remove", "load", "create", "edit", "restore", "pause", "resume", "skip", "unskip"),
    *(
        "run",
        "stop",
        "retry",
        "backfill",
        "stop backfill",
        "resume backfill",
        "write to file",
        "sign-in link",
        "sign in",
        "end session",
    ),
)


@dataclass(frozen=True)
class Search(NewestFirst):
    """The form; what is invalid in the address counts as empty."""

    schedule: str = ""
    by: str = ""
    change: str = ""

    @classmethod
    def read(cls, arguments: Mapping[str, str]) -> Search:
        text = texts(arguments, "schedule", "by", "change")
        since, before = arguments.get("from", ""), arguments.get("before", "")
        return cls(
            **text, since=since if instant(since) else "", before=before if re.fullmatch(LINE_ID, before) else ""
        )

    @property
    def wanted(self) -> Wanted:
        since = instant(self.since)
        return Wanted(self.schedule, self.by, self.change, since.timestamp() if since else 0.0)


@pages.get("/audit")
def index() -> Response:
    """The changes, newest first; filters: ``?schedule=``, ``?by=``, ``?change=``, ``?from=``, ``?before=``."""
    search, log = Search.read(request.args), service().store.audit
    if wants_json():
        part = log.find(search.wanted, search.before, MAX_ROWS)
        return as_json({"changes": part.lines, "before": part.older or None})
    part = log.find(search.wanted, search.before, MAX_LOOKED_AT)
    rows = grouped(part.lines)
    older = part.older
    if len(rows) > MAX_ROWS:
        rest = part.lines.index(rows[MAX_ROWS][0])
        older = part.lines[rest - 1]["id"]
    return page("audit.html", rows=[shown(its) for its in rows[:MAX_ROWS]], search=search, older=older, changes=CHANGES)


def grouped(lines: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The lines, those of one act on many schedules together."""
    acts: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        acts.setdefault(str(line.get("group") or line["id"]), []).append(line)
    return list(acts.values())


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
    try:
        undone = operations.undo(asking(), line_id=line_id)
    except (Conflict, NotFound, RefusedChange) as error:
        return refused(error)
    result = f"Undone: {undone['sentence']}."
    if undone["kind"] != "remove":
        return done(undone["schedule"], result)
    flash(result)
    return redirect(url_for("audit.index"), 303)


@pages.post("/audit/groups/<group>/undo")
def undo_group(group: str) -> AnyResponse:
    """Undo an act on many schedules."""
    try:
        flash(told("Undone:", bulk_of(service()).undo(group, user())))
    except NotFound as error:
        return refused(error)
    return redirect(url_for("audit.index"), 303)


def refused(error: SchedulerError) -> AnyResponse:
    """The log as it is now, with the reason why nothing was undone."""
    if wants_json():
        raise error
    flash(f"Nothing was changed: {error}.", "bad")
    return redirect(url_for("audit.index"), 303)
