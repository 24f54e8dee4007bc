"""The runs of all schedules; one run and its progress; run a schedule now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from scheduler import changes
from scheduler.admin import day, frames, trend
from scheduler.admin.answers import as_json, is_check, page, wants_json
from scheduler.admin.arguments import may_be_given
from scheduler.admin.people import asking
from scheduler.admin.run_list import OUTCOMES, PRESETS, STARTERS, WENT_WRONG, RunSearch
from scheduler.admin.schedules import shown as shown_schedule
from scheduler.admin.schedules import zone_of
from scheduler.admin.service import service
from scheduler.errors import NotFound, RefusedChange
from scheduler.model import Reason, Run
from scheduler.model.reasons import WORDS
from scheduler.model.run import UNDER_WAY
from scheduler.model.what_runs import kind_of
from scheduler.operations import runs as operations
from scheduler.operations.operation import MAX_NOTE_CHARS
from scheduler.operations.pauses import NoteAsked
from scheduler.operations.runs import RunAsked
from scheduler.status import output
from scheduler.status.as_json import attempts_json, failures_json, output_json, run_json
from scheduler.status.catalogue import View
from scheduler.status.progress import progress_of, task_json
from scheduler.status.runs import MAX_EXPORTED, MAX_LOOKED_AT
from scheduler.status.runs import by_error as grouped_by_error
from scheduler.status.runs import find as find_runs
from scheduler.storage.beside import beside
from scheduler.storage.health import failing_of

pages = Blueprint("runs", __name__)
CHOICES: dict[str, Any] = {
    "presets": PRESETS,
    "outcomes": OUTCOMES,
    "went_wrong": WENT_WRONG,
    "reasons": WORDS,
    "starters": STARTERS,
    "looked_at": MAX_LOOKED_AT,
    "most_exported": MAX_EXPORTED,
}
MAX_OTHERS = 100  #: newest runs of its schedule that a run's page draws and compares it with
MAX_TASK_ID_LENGTH = 200  #: characters; a longer ID is not looked up


@pages.post("/schedules/<segment:name>/runs")
def run_now(name: str) -> AnyResponse:
    """Send a manual run now; the ledger records who requested it."""
    try:
        identity = operations.run(asking(), name=name, asked=RunAsked())["run"]
    except RefusedChange as error:
        if wants_json():
            raise
        return shown_schedule(name, 409, refusal=str(error))
    return redirect(url_for("runs.show", name=name, run_id=identity), 303)


@pages.post("/schedules/<segment:name>/runs/<segment:run_id>/stop")
def stop(name: str, run_id: str) -> AnyResponse:
    """Stop a run that is queued or running, with an optional reason."""
    note = request.form.get("note", "").strip()[:MAX_NOTE_CHARS]
    if is_check():
        return before_stop(name, run_id, note)
    try:
        operations.stop(asking(), run_id=find(name, run_id).id, asked=NoteAsked(note=note))
    except RefusedChange as error:
        if wants_json():
            raise
        return shown(find(name, run_id), 409, str(error))
    return redirect(url_for("runs.show", name=name, run_id=run_id), 303)


@pages.get("/schedules/<segment:name>/runs/<segment:run_id>/stop")
def before_stop(name: str, run_id: str, note: str = "") -> AnyResponse:
    """Show what a stop does to this run, with the button that stops it; a run that has ended shows its own page."""
    run = find(name, run_id)
    if run.outcome not in UNDER_WAY or service().ledger.stops([run.id]):
        return redirect(url_for("runs.show", name=name, run_id=run_id), 303)
    entry = next(service().store.read([name]), None)
    kill_after = entry.fields.get("kill_after") if entry else None
    context: dict[str, Any] = {"run": run, "zone": zone_of(entry), "kill_after": kill_after, "note": note}
    return page("stop.html", kind=kind_of(entry.fields) if entry else "task", **context)


@pages.post("/schedules/<segment:name>/runs/<segment:run_id>/retry")
def retry(name: str, run_id: str) -> AnyResponse:
    """Run a run again that failed, was lost, stopped or skipped."""
    try:
        operations.retry(asking(), run_id=find(name, run_id).id, asked=NoteAsked())
    except RefusedChange as error:
        if wants_json():
            raise
        return shown(find(name, run_id), 409, str(error))
    return redirect(url_for("runs.show", name=name, run_id=run_id), 303)


@pages.get("/runs")
def index() -> Response:
    """The runs of all schedules; see RunSearch for the filters."""
    search = RunSearch.read(request.args)
    if search.by:
        return by_error(search)
    view = service().catalogue.look()
    shown = find_runs(service().ledger, search.wanted(view), search.place)
    older = str(shown.older or "")
    if wants_json():
        return as_json({"runs": [run_json(run) for run in shown.runs], "before": older or None})
    return page("runs.html", shown=shown, older=older, **around(search, view))


def around(search: RunSearch, view: View) -> dict[str, Any]:
    """What the page has around the list."""
    return {"search": search, "view": view, "day": day.of(service().ledger, search, view.expected_to_fail), **CHOICES}


def by_error(search: RunSearch) -> Response:
    """What failed or was lost: a row for each schedule and error."""
    view = service().catalogue.look()
    errors = grouped_by_error(service().ledger, search.wanted(view))
    if wants_json():
        return as_json({"errors": [failures_json(one) for one in errors.failures]})
    return page("runs.html", errors=errors, **around(search, view))


@pages.get("/schedules/<segment:name>/runs/<segment:run_id>")
def show(name: str, run_id: str) -> Response:
    """One run: due, sent, started, finished, and its result."""
    run = find(name, run_id)
    if wants_json():
        attempts = output.of_run(service().ledger, run)
        more = {"progress": progress_of(service().celery, run), "outputs": [output_json(it) for it in attempts]}
        return as_json(run_json(run) | {"attempts": attempts_json(run)} | more)
    return shown(run)


def shown(run: Run, status: int = 200, refusal: str = "") -> Response:
    """The page of a run."""
    name, ledger = run.schedule, service().ledger
    unfinished = run.outcome in UNDER_WAY
    entry = next(service().store.read([name]), None)
    takes_arguments = may_be_given(entry)
    others = ledger.runs(name, MAX_OTHERS) if run.outcome != "queued" else []
    context: dict[str, Any] = {
        "run": run,
        "beside": beside(ledger, run),
        "zone": zone_of(entry),
        "progress": progress_of(service().celery, run),
        "outputs": [(it.attempt, output.text(it)) for it in output.of_run(ledger, run)],
        "states": {
            "unfinished": unfinished,
            "stopping": ledger.stops([run.id]).get(run.id) if unfinished else None,
            "takes_arguments": takes_arguments,
            "is_program": entry is not None and not entry.error and not takes_arguments,
            "retryable": run.outcome in changes.RETRYABLE and run.count == 1,
        },
        "failing": failing_of(ledger.client, ledger.keys, [name]).get(name),
        "expected": entry.expected_to_fail if entry and run.went_wrong else "",
        "well_since": next((it for it in reversed(others) if it.outcome == "succeeded" and it.due > run.due), None),
        "unstarted": service().pill.unstarted(name) if run.outcome == "queued" else None,
        "refusal": refusal,
        "blocker": blocker_of(run, others),
        "trend": trend.of(others, run),
        "frames": frames.of(run.traceback),
    }
    return page("run.html", status, **context)


def blocker_of(run: Run, others: Sequence[Run]) -> Run | None:
    """The run that was under way when this one was skipped for it; None where the ledger no longer says so."""
    if run.reason != Reason.OVERLAP:
        return None
    own = (it for it in others if it.id != run.id and 0 < it.sent <= run.due)
    return next((it for it in own if not it.finished or it.finished >= run.due), None)


@pages.get("/schedules/<segment:name>/runs/<segment:run_id>/output")
def download(name: str, run_id: str) -> Response:
    """What its attempts printed and logged, as a file of text."""
    attempts = output.of_run(service().ledger, find(name, run_id))
    text = "\n".join(f"# attempt {it.attempt}\n{output.text(it)}" for it in attempts)
    response = Response(text.encode("utf-8", "backslashreplace"), mimetype="text/plain")
    response.headers["Content-Disposition"] = 'attachment; filename="output.txt"'
    return response


def find(name: str, run_id: str) -> Run:
    """The schedule's run with this ID; raises NotFound, also for a malformed ID."""
    try:
        run = service().ledger.get(run_id)
    except ValueError:
        raise NotFound(f"{run_id!r} is not a run ID: see the runs on the page of '{name}'") from None
    if run.schedule != name:
        raise NotFound(f"schedule '{name}' has no run {run_id!r}")
    return run


@pages.get("/tasks/<task_id>")
def task(task_id: str) -> Response:
    """Any task by its ID, as JSON; 404 for one without a stored state, which may be still queued."""
    state = (
        task_json(service().celery, task_id)
        if len(task_id) <= MAX_TASK_ID_LENGTH
        else {"id": task_id, "state": "PENDING"}
    )
    return as_json(state, 404 if state["state"] == "PENDING" else 200)
