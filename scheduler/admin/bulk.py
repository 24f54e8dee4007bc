"""Acts on many schedules: first what would happen to each, then the act."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from scheduler.admin.answers import as_json, page, wants_json
from scheduler.admin.editing import read_until
from scheduler.admin.listing import Search, failing_names, matching
from scheduler.admin.people import user
from scheduler.admin.service import service
from scheduler.changes import Known, clock
from scheduler.changes.bulk import EDIT, OPERATE, Answer, Asked, Bulk, unique
from scheduler.errors import RefusedChange
from scheduler.sending.upcoming import due_instants
from scheduler.status.read_model import read_job
from scheduler.status.states import all_states
from scheduler.timing import TimingError

pages = Blueprint("bulk", __name__)
MAX_TEXT = 1000  #: characters of a reason


@dataclass(frozen=True)
class Words:
    """How an act is called: on its button, in the past, and what its field asks for."""

    verb: str
    past: str
    field: str = ""


WORDS = {
    "run": Words("Run now", "Sent a run of"),
    "pause": Words("Pause", "Paused", "until"),
    "resume": Words("Resume", "Resumed"),
    "skip": Words("Skip the next run of", "Will skip the next run of"),
    "unskip": Words("No longer skip the next run of", "No longer skipped:"),
    "enable": Words("Enable", "Enabled"),
    "disable": Words("Disable", "Disabled"),
    "spread": Words("Spread", "Spread", "jitter"),
    "tag": Words("Add a tag to", "Tagged", "tag"),
    "untag": Words("Remove a tag from", "Removed the tag from", "tag"),
    "delete": Words("Delete", "Deleted"),
}


@pages.post(f"/bulk/<any({','.join(OPERATE)}):act>")
def plan(act: str) -> AnyResponse:
    """What an operator's act would do to the chosen schedules; changes nothing."""
    return asked_for(act)


@pages.post(f"/bulk/<any({','.join(EDIT)}):edit>")
def plan_edit(edit: str) -> AnyResponse:
    """The same for an editor's act."""
    return asked_for(edit)


@pages.post(f"/bulk/<any({','.join(OPERATE)}):act>/now")
def carry_out(act: str) -> AnyResponse:
    """Do it."""
    return done(act)


@pages.post(f"/bulk/<any({','.join(EDIT)}):edit>/now")
def carry_out_edit(edit: str) -> AnyResponse:
    """Do it."""
    return done(edit)


def parts() -> Bulk:
    its = service()
    return Bulk(its.store, its.ledger, its.dispatcher, Known(its.tasks, its.file_only))


def asked_for(act: str) -> AnyResponse:
    """The dry run of the act, with the form for its reason and what else it needs."""
    names = chosen()
    if not names:
        flash("Choose at least one schedule.")
        return back()
    return dry_run(act, names)


def dry_run(act: str, names: list[str], errors: dict[str, list[str]] | None = None) -> Response:
    value = request.form.get("value", "").strip()[:200]
    asked = Asked(act, user(), value=value)
    answer = parts().forecast(asked, names)
    if wants_json():
        return as_json({"would": answer.done, "left": answer.left})
    context: dict[str, Any] = {
        "act": act,
        "errors": errors or {},
        "given": {key: request.form.get(key, "")[:MAX_TEXT] for key in ("why", "until", "value")},
        "is_edit": act in EDIT,
        "names": json.dumps(answer.done),
        "next": next_runs(answer) if act == "spread" else (),
        "words": WORDS[act],
        "would": answer,
        "back_to": back_to(),
    }
    return page("bulk.html", 422 if errors else 200, **context)


def next_runs(answer: Answer) -> list[tuple[str, Any, Any, str]]:
    """The next run of each of the first schedules, before and after a spread, and its zone."""
    rows = []
    for before, after in answer.pairs[:10]:
        old, new = read_job(before)[0], read_job(after)[0]
        if old is None or new is None:
            continue
        due = next(due_instants(before, old, clock()), None)
        if due is not None:
            rows.append((before.name, old.timing.send_at(due), new.timing.send_at(due), new.timing.zone))
    return rows


def done(act: str) -> AnyResponse:
    """Do it to those that the dry run named, and say how many there are."""
    names = chosen()
    text = {key: request.form.get(key, "").strip()[:MAX_TEXT] for key in ("why", "until", "value")}
    try:
        until = read_until(text["until"], "UTC") if act == "pause" else None
    except TimingError as error:
        return dry_run(act, names, {"until": [str(error).removesuffix(" — ")]})
    if WORDS[act].field == "tag" and not text["value"]:
        return dry_run(act, names, {"value": ["write the tag"]})
    answer = parts().carry_out(Asked(act, user(), text["why"], until, text["value"]), names)
    if wants_json():
        return as_json({"done": answer.done, "left": answer.left, "group": answer.group})
    flash(told(WORDS[act].past, answer) + (" Undo it in the audit log." if answer.done and act != "run" else ""))
    return back()


def told(past: str, answer: Answer) -> str:
    """What was done, and the first of those that were left alone, with the reason."""
    number = len(answer.done)
    text = f"{past} {number} schedule{'' if number == 1 else 's'}."
    left = next(iter(answer.left.values()), "")
    return text + (f" Left alone: {len(answer.left)}; {left}." if left else "")


def chosen() -> list[str]:
    """The names that the form has: those of a dry run, those that are checked, or all that match its search."""
    if "names" in request.form:
        try:
            sent = json.loads(request.form["names"])
        except ValueError:
            sent = None
        if not isinstance(sent, list):
            raise RefusedChange("the form is damaged: choose the schedules again")
        return unique(map(str, sent))
    if "all" not in request.form:
        return unique(request.form.getlist("name"))
    its, view = service(), service().catalogue.look()
    search = Search.read(request.form)
    return list(matching(view, all_states(its.store, view), failing_names(its.store, view), search))


def back_to() -> str:
    """The list with the search that the schedules were chosen in."""
    return url_for("schedules.index", **Search.read(request.form).query())


def back() -> AnyResponse:
    return redirect(back_to(), 303)
