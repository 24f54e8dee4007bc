"""The runs of all schedules; one run and its progress; run a schedule now."""

from __future__ import annotations

from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from scheduler import changes
from scheduler.admin.answers import as_json, page, wants_json
from scheduler.admin.people import user
from scheduler.admin.run_list import OUTCOMES, PRESETS, RunSearch
from scheduler.admin.schedules import zone_of
from scheduler.admin.service import service
from scheduler.errors import NotFound
from scheduler.model import Run
from scheduler.model.run import UNDER_WAY
from scheduler.status import output
from scheduler.status.as_json import output_json, run_json
from scheduler.status.progress import progress_of, task_json
from scheduler.status.runs import find as find_runs

pages = Blueprint("runs", __name__)
MAX_TASK_ID_LENGTH = 200  #: characters; a longer ID is not looked up


@pages.post("/schedules/<segment:name>/runs")
def run_now(name: str) -> AnyResponse:
    """Send a manual run now; the ledger records who requested it."""
    identity = service().dispatcher.run_now(service().store.get(name), user())
    return redirect(url_for("runs.show", name=name, run_id=identity), 303)


@pages.post("/schedules/<segment:name>/runs/<segment:run_id>/stop")
def stop(name: str, run_id: str) -> AnyResponse:
    """Stop a run that is queued or running."""
    changes.stop(service().ledger, find(name, run_id).id, by=user())
    return redirect(url_for("runs.show", name=name, run_id=run_id), 303)


@pages.post("/schedules/<segment:name>/runs/<segment:run_id>/retry")
def retry(name: str, run_id: str) -> AnyResponse:
    """Run a run again that failed, was lost, stopped or skipped."""
    its = service()
    changes.retry(its.dispatcher, its.store, its.ledger, find(name, run_id).id, by=user())
    return redirect(url_for("runs.show", name=name, run_id=run_id), 303)


@pages.get("/runs")
def index() -> Response:
    """The runs of all schedules; see RunSearch for the filters."""
    search = RunSearch.read(request.args)
    shown = find_runs(service().ledger, search.wanted, search.place)
    older = str(shown.older or "")
    if wants_json():
        return as_json({"runs": [run_json(run) for run in shown.runs], "before": older or None})
    return page("runs.html", search=search, shown=shown, older=older, presets=PRESETS, outcomes=OUTCOMES)


@pages.get("/schedules/<segment:name>/runs/<segment:run_id>")
def show(name: str, run_id: str) -> Response:
    """One run: due, sent, started, finished, and its result."""
    run = find(name, run_id)
    progress = progress_of(service().celery, run)
    attempts = output.of_run(service().ledger, run)
    if wants_json():
        return as_json(run_json(run) | {"progress": progress, "outputs": [output_json(it) for it in attempts]})
    zone = zone_of(next(service().store.read([name]), None))
    unfinished = run.outcome in UNDER_WAY
    stopping = service().ledger.stops([run.id]).get(run.id) if unfinished else None
    retryable = run.outcome in changes.RETRYABLE and run.count == 1
    states = {"unfinished": unfinished, "stopping": stopping, "retryable": retryable}
    outputs = [(it.attempt, output.text(it)) for it in attempts]
    return page("run.html", run=run, zone=zone, progress=progress, states=states, outputs=outputs)


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
