"""One run, its progress, and running a schedule now."""

from __future__ import annotations

from typing import Any

from celery.result import AsyncResult
from flask import Blueprint, Response, redirect, url_for
from werkzeug.wrappers import Response as AnyResponse

from scheduler.admin.answers import as_json, page, wants_json
from scheduler.admin.schedules import zone_of
from scheduler.admin.service import USER, service
from scheduler.errors import NotFound
from scheduler.model import Run
from scheduler.status.as_json import run_json

pages = Blueprint("runs", __name__)
UNFINISHED = ("queued", "running")
LONGEST_ID = 200  #: characters of a task id that is looked up


@pages.post("/schedules/<segment:name>/runs")
def run_now(name: str) -> AnyResponse:
    """Run it now, off its timing; the ledger says that it was manual, and by whom."""
    identity = service().dispatcher.run_now(service().store.get(name), USER)
    return redirect(url_for("runs.show", name=name, run_id=identity), 303)


@pages.get("/schedules/<segment:name>/runs/<segment:run_id>")
def show(name: str, run_id: str) -> Response:
    """One run: when it was due, sent, started and finished, and what came of it."""
    run = find(name, run_id)
    progress = progress_of(run)
    if wants_json():
        return as_json(run_json(run) | {"progress": progress})
    zone = zone_of(next(service().store.read([name]), None))
    return page("run.html", run=run, zone=zone, progress=progress, unfinished=run.outcome in UNFINISHED)


def find(name: str, run_id: str) -> Run:
    """The schedule's run of this identity; raises NotFound, for what cannot be an identity too."""
    try:
        run = service().ledger.get(run_id)
    except ValueError:
        raise NotFound(f"{run_id!r} is no run: those of '{name}' stand on its page") from None
    if run.schedule != name:
        raise NotFound(f"schedule '{name}' has no run {run_id!r}")
    return run


@pages.get("/tasks/<task_id>")
def task(task_id: str) -> Response:
    """Any task by its id, as JSON; 404 for one that Celery knows nothing of (yet)."""
    found = task_json(task_id) if len(task_id) <= LONGEST_ID else {"id": task_id, "state": "PENDING"}
    return as_json(found, 404 if found["state"] == "PENDING" else 200)


def progress_of(run: Run) -> dict[str, Any] | None:
    """What an unfinished run says of itself with ``update_state``: current, total and a sentence."""
    if run.outcome not in UNFINISHED or not run.task_id:
        return None
    told = task_json(run.task_id)
    return {key: told[key] for key in ("current", "total", "message")} if told["state"] == "PROGRESS" else None


def task_json(task_id: str) -> dict[str, Any]:
    """A task's state and result in Celery's result backend."""
    meta = AsyncResult(task_id, app=service().celery).backend.get_task_meta(task_id)
    state, result = str(meta["status"]), meta.get("result")
    going_on = result if isinstance(result, dict) and state == "PROGRESS" else {}
    return {
        "id": task_id,
        "state": state,
        "current": number(going_on.get("current")),
        "total": number(going_on.get("total")),
        "message": str(going_on.get("message", "")),
        "result": f"{type(result).__name__}: {result}" if isinstance(result, BaseException) else result,
        "traceback": meta.get("traceback"),
        "date_done": meta.get("date_done"),
    }


def number(found: Any) -> float | None:
    return found if isinstance(found, (int, float)) and not isinstance(found, bool) else None
