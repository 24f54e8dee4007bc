"""Run a schedule once with other arguments: a form made from the task's signature."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from scheduler.admin import arguments, schedules
from scheduler.admin.answers import is_check, page
from scheduler.admin.arguments import Given
from scheduler.admin.json_text import Errors, to_json
from scheduler.admin.people import asking
from scheduler.admin.service import service
from scheduler.errors import NotFound, RefusedChange
from scheduler.model import Entry
from scheduler.operations import runs
from scheduler.operations.runs import RunAsked
from scheduler.storage import entries

pages = Blueprint("run_with", __name__)


@pages.get("/schedules/<segment:name>/run")
def form(name: str) -> Response:
    """The form, with the schedule's arguments, or with those of the run ``?from=``."""
    entry = service().store.get(name)
    if not arguments.may_be_given(entry):
        return not_offered(entry)
    own = own_arguments(entry)
    given = of_run(request.args["from"], own) if request.args.get("from") else own
    values = {key: to_json(getattr(given, key)) for key in arguments.SHAPES}
    return shown(entry, values)


@pages.post("/schedules/<segment:name>/run")
def run(name: str) -> AnyResponse:
    """Send a run with these arguments; on a refusal the form again, with what was typed."""
    entry = service().store.get(name)
    if not arguments.may_be_given(entry):
        return not_offered(entry)
    values, signature = arguments.typed(request.form), arguments.of_task(entries.job(entry).task)
    if is_check():
        return shown(entry, values)
    given, errors = arguments.convert(signature, values, own_arguments(entry))
    if errors:
        return shown(entry, values, errors=errors)
    try:
        asked = RunAsked(args=list(given.args), kwargs=dict(given.kwargs))
        identity = runs.run(asking(), name=name, asked=asked)["run"]
    except RefusedChange as error:
        return shown(entry, values, str(error))
    return redirect(url_for("runs.show", name=name, run_id=identity), 303)


def shown(entry: Entry, values: dict[str, str], refusal: str = "", errors: Errors | None = None) -> Response:
    running = next((run for run in service().ledger.runs(entry.name) if run.outcome == "running"), None)
    fields = arguments.look(arguments.of_task(entries.job(entry).task), values, own_arguments(entry))
    context: dict[str, Any] = {"entry": entry, "fields": fields, "refusal": refusal, "running": running}
    return page("run_with.html", 422 if refusal or errors else 200, errors=errors or {}, **context)


def not_offered(entry: Entry) -> Response:
    """The schedule's page, with the reason why a run of it cannot have other arguments."""
    words = f"'{entry.name}' acts on the machine by its arguments: only the schedule file may set them"
    return schedules.shown(entry.name, 409, refusal=entry.error or words, running=None)


def own_arguments(entry: Entry) -> Given:
    job = entries.job(entry)
    return Given(list(job.args), dict(job.kwargs))


def of_run(run_id: str, own: Given) -> Given:
    """The arguments that a run was given; the schedule's if it had none of its own. Raises NotFound."""
    try:
        stored = service().ledger.get(run_id).arguments
        return Given(*json.loads(stored)) if stored else own
    except ValueError:
        raise NotFound(f"{run_id!r} is not a run ID") from None
