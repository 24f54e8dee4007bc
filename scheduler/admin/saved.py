"""What follows a saved form: the page of its schedule, or of the run that its button also started."""

from __future__ import annotations

from flask import flash, redirect, request, url_for
from kombu.exceptions import OperationalError
from werkzeug.wrappers import Response as AnyResponse

from scheduler.admin.editing import done, next_run
from scheduler.admin.people import asking, may
from scheduler.admin.service import service
from scheduler.errors import RefusedChange, SchedulerError
from scheduler.operations import runs as operations
from scheduler.operations.runs import RunAsked
from scheduler.storage.client import answering

RUN = "run"  #: value of the button that saves a form and runs its schedule once


def saved(name: str, result: str, which: str = "") -> AnyResponse:
    """Show the result, such as ``Saved``, and with ``which`` the ``First`` or ``Next`` run."""
    if request.form.get("act") != RUN:
        return done(name, f"{result}. {next_run(name, which)}" if which else f"{result}.")
    try:
        identity = run_once(name)
    except (SchedulerError, OperationalError) as refused:
        # What was saved stays saved. If Redis is away, the message waits until it is back.
        flash(f"{result}; not run: {refused}.", "bad")
        return redirect(url_for("schedules.show", name=name), 303)
    flash(f"{result}; sent to run once.")
    return redirect(url_for("runs.show", name=name, run_id=identity), 303)


def run_once(name: str) -> str:
    """Run it as *Run now* does; returns the run's id. Raises SchedulerError, or OperationalError from the broker."""
    if not may("runs.run_now"):
        raise RefusedChange("your role may change schedules but not run them")
    with answering(service().settings):
        identity: str = operations.run(asking(), name=name, asked=RunAsked())["run"]
    return identity
