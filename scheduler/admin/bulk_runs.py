"""Stop or retry many runs: first what would happen to each, then the act."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from scheduler.admin.answers import as_json, is_check, page, wants_json
from scheduler.admin.bulk import Words, chosen, told, typed
from scheduler.admin.people import user
from scheduler.admin.run_list import RunSearch
from scheduler.admin.service import service
from scheduler.changes.bulk import MAX_AT_ONCE, Asked
from scheduler.errors import RefusedChange
from scheduler.operations.bulk import bulk_of_runs
from scheduler.status.runs import find

pages = Blueprint("bulk_runs", __name__)
WORDS = {
    "stop": Words("Stop", "Stopped, or asked to stop,", "will be stopped"),
    "retry": Words("Retry", "Sent again", "will be sent again"),
}
ACTS = f"<any({','.join(WORDS)}):act>"


@pages.post(f"/bulk/runs/{ACTS}")
def plan(act: str) -> AnyResponse:
    """What the act would do to the chosen runs, with the form for its reason; changes nothing."""
    ids = chosen_runs()
    if not ids:
        flash("Choose at least one run.", "held")
        return back()
    try:
        return dry_run(act, ids)
    except RefusedChange as error:
        if wants_json():
            raise
        flash(f"Nothing was changed: {error}.", "bad")
        return back()


def dry_run(act: str, ids: list[str]) -> Response:
    answer = bulk_of_runs(service()).forecast(act, ids)
    if wants_json():
        return as_json({"would": answer.done, "left": answer.left})
    context: dict[str, Any] = {
        "act": act,
        "noun": "run",
        "place": "Runs",
        "action": url_for("bulk_runs.carry_out", act=act),
        "given": {"why": typed("why")},
        "kept": RunSearch.read(request.form).query(),
        "names": json.dumps(answer.done),
        "most": MAX_AT_ONCE if len(ids) == MAX_AT_ONCE else 0,
        "errors": {},
        "next": (),
        "is_final": True,
        "words": WORDS[act],
        "would": answer,
        "back_to": back_to(),
    }
    return page("bulk.html", **context)


@pages.post(f"/bulk/runs/{ACTS}/now")
def carry_out(act: str) -> AnyResponse:
    """Do it to those that the dry run named, and say how many there are."""
    ids = chosen_runs()
    if is_check():
        return dry_run(act, ids)
    answer = bulk_of_runs(service()).carry_out(Asked(act, user(), typed("why")), ids)
    if wants_json():
        return as_json({"done": answer.done, "left": answer.left, "group": answer.group})
    flash(told(WORDS[act].past, answer, "run"))
    return back()


def chosen_runs() -> list[str]:
    """Those of a dry run, those that are checked, or the newest MAX_AT_ONCE that match the search of the page."""
    return chosen("run", newest)


def newest() -> list[str]:
    wanted = RunSearch.read(request.form).wanted(service().catalogue.look())
    return [run.id for run in find(service().ledger, wanted, count=MAX_AT_ONCE).runs]


def back_to() -> str:
    """The list with the search that the runs were chosen in."""
    search: dict[str, Any] = RunSearch.read(request.form).query()
    return url_for("runs.index", **search)


def back() -> AnyResponse:
    return redirect(back_to(), 303)
