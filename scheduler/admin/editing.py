"""Requests that change a schedule, all through ``changes``, so that the page accepts exactly what the file accepts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from scheduler import changes
from scheduler.admin import errors
from scheduler.admin.answers import is_check, wants_json
from scheduler.admin.filters import absolute
from scheduler.admin.people import asking, user
from scheduler.admin.schedules import shown, zone_of
from scheduler.admin.service import service
from scheduler.changes import clock
from scheduler.changes.pauses import Hindered
from scheduler.errors import CannotWrite, Conflict, NotFound, RefusedChange, SchedulerError
from scheduler.model import Entry
from scheduler.operations import definitions
from scheduler.operations.definitions import RevertAsked
from scheduler.storage.instants import from_seconds
from scheduler.timing import TimingError, parse_instant

pages = Blueprint("changes", __name__)
Act = Callable[[str], AnyResponse]


def in_place(act: Act) -> Act:
    """Show a refusal on the schedule's page as it is now: the page on which the button was pressed may be old."""

    @wraps(act)
    def answer(name: str) -> AnyResponse:
        try:
            return act(name)
        except (CannotWrite, Conflict, NotFound, RefusedChange) as error:
            return refused(name, error)

    return answer


def refused(name: str, error: SchedulerError, **typed: Any) -> AnyResponse:
    """The schedule's page as it is now, with the refusal and what was typed; to a program, the error itself."""
    if wants_json():
        raise error
    status, _ = errors.kind_of(error)
    try:
        return shown(name, status, refusal=f"Nothing was changed: {error}", running=None, **typed)
    except NotFound:  # it was deleted meanwhile
        raise error from None


@pages.post("/schedules/<segment:name>/pause")
@in_place
def pause(name: str) -> AnyResponse:
    """Pause it, with an optional reason and end (local time in the schedule's zone).

    ``seen`` tells which pause the page showed, by when it began: another one is not replaced unseen.
    """
    given = {key: request.form.get(key, "").strip()[:1000] for key in ("note", "until")}
    zone = zone_of(service().store.get(name))
    if is_check():
        return shown(name, pause=given)
    try:
        until = read_until(given["until"], zone)
    except TimingError as error:
        wrong = {"until": [str(error).removesuffix(" — ")]}
        return shown(name, 422, pause=given, errors=wrong)
    seen = request.form.get("seen", "")
    try:
        changes.pause(service().store, name, by=user(), note=given["note"], until=until, hindered=unless(seen))
    except RefusedChange as error:
        return refused(name, error, pause=given)
    return done(name, f"Paused until {absolute(until, zone)}." if until else "Paused until resumed.")


def unless(seen: str) -> Hindered:
    """A pause may be replaced if it began when ``seen`` says, as the page showed it."""
    return lambda held: "" if str(held.at) == seen else "to replace that pause, send the form again"


def read_until(text: str, zone: str) -> datetime | None:
    """The end of a pause; None for an open one. Raises TimingError."""
    until = parse_instant(text, zone, "until") if text else None
    if until is not None and until <= clock():
        raise TimingError("until", f"{text} is in the past", "choose a later time, or leave it empty")
    return until


@pages.post("/schedules/<segment:name>/pause/delete")
@in_place
def resume(name: str) -> AnyResponse:
    """End the pause."""
    changes.resume(service().store, name, by=user())
    return done(name, f"Resumed. {next_run(name, 'Next')}")


@pages.post("/schedules/<segment:name>/skip")
@in_place
def skip(name: str) -> AnyResponse:
    """Skip the next run, once."""
    note = request.form.get("note", "").strip()[:1000]
    if is_check():
        return shown(name, skip_note=note)
    entry = changes.skip(service().store, name, by=user(), note=note)
    due = from_seconds(entry.skip.due) if entry.skip else None
    return done(name, f"The run at {absolute(due, zone_of(entry))} will be skipped.")


@pages.post("/schedules/<segment:name>/skip/delete")
@in_place
def unskip(name: str) -> AnyResponse:
    """Cancel the skip."""
    changes.unskip(service().store, name, by=user())
    return done(name, f"No longer skipped. {next_run(name, 'Next')}")


@pages.post("/schedules/<segment:name>/overlay/delete")
@in_place
def revert(name: str) -> AnyResponse:
    """Drop the overlay of one field, or of all fields if none is named: the declared value applies again."""
    entry = editable(name)
    source = "application" if entry.origin == "app" else "file"
    field = request.form.get("field", "")
    definitions.revert(asking(), name=name, asked=RevertAsked(field=field))
    return done(name, f"Reverted to the {source}. {next_run(name, 'Next')}")


@pages.post("/schedules/<segment:name>/delete")
@in_place
def delete(name: str) -> AnyResponse:
    """Delete a schedule of origin ``admin``."""
    changes.remove(service().store, name, by=user())
    flash(f"Deleted {name}. Undo it in the audit log.")
    return redirect(url_for("schedules.index"), 303)


def editable(name: str) -> Entry:
    """The entry; raises RefusedChange for one that another program owns."""
    entry = service().store.get(name)
    if entry.origin == "redbeat":
        raise RefusedChange(f"'{name}' was created by another program with RedBeat's API: change it there")
    return entry


def next_run(name: str, which: str) -> str:
    """``Next run: Thu 26 Nov 02:30 EST.``, or why there is none."""
    row = service().status.detail(name).row
    return f"{which} run: {absolute(row.next, row.zone) if row.next else f'none, {row.explanation}'}."


def done(name: str, result: str) -> AnyResponse:
    """Redirect to the schedule's page, which shows the result."""
    flash(result)
    return redirect(url_for("schedules.show", name=name), 303)
