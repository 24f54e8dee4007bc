"""Requests that change a schedule, all through ``changes``, so that the page accepts exactly what the file accepts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from itertools import count
from typing import Any

from flask import Blueprint, Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from scheduler import changes
from scheduler.admin import forms
from scheduler.admin.answers import page
from scheduler.admin.filters import absolute
from scheduler.admin.people import user
from scheduler.admin.schedules import described, shown, zone_of
from scheduler.admin.service import service
from scheduler.changes import Invalid, clock
from scheduler.errors import Conflict, RefusedChange
from scheduler.model import Entry
from scheduler.model.what_runs import FILE_ONLY
from scheduler.storage.instants import from_seconds
from scheduler.timing import TimingError, parse_instant, zone_names

pages = Blueprint("changes", __name__)


@pages.get("/schedules/new")
def new() -> Response:
    """The empty form."""
    return form(None, forms.empty() | {"name": request.args.get("name", "")})


@pages.post("/schedules/new")
def create() -> AnyResponse:
    """Create a schedule of origin ``admin``."""
    values = forms.of_request(request.form)
    name = values["name"]
    fields, errors = forms.to_fields(values)
    fields["task"] = values["task"]
    if service().store.indexed([name]):
        errors["name"] = [f"there is already a schedule '{name}' — choose another name"]
    errors = attempt(lambda: make(name, fields), name, fields, errors)
    return form(None, values, errors, 422) if errors else done(name, f"Created. {next_run(name, 'First')}")


@pages.get("/schedules/<segment:name>/edit")
def edit(name: str) -> Response:
    """The form with the stored values."""
    entry = editable(name)
    return form(entry, forms.of_entry(entry))


@pages.post("/schedules/<segment:name>/edit")
def save(name: str) -> AnyResponse:
    """Save the form; for a schedule from the file as an overlay, which ends when the file changes that field."""
    entry = editable(name)
    values = forms.of_request(request.form, entry)
    if same(values, forms.of_entry(entry)):
        return done(name, "No changes to save.")
    fields, errors = forms.to_fields(values)
    wanted = forms.merged(entry, fields)
    try:
        errors = attempt(lambda: change(entry, wanted, revision(values), values["why"]), name, wanted, errors)
    except Conflict:
        return stale(service().store.get(name), values)
    return form(entry, values, errors, 422) if errors else done(name, f"Saved. {next_run(name, 'Next')}")


def attempt(write: Callable[[], object], name: str, fields: Mapping[str, Any], errors: forms.Errors) -> forms.Errors:
    """Write, unless there are errors already; return those and all that validation finds. Raises Conflict."""
    try:
        if errors:
            # For its errors: a person sees all of them at once.
            changes.gate(service().store, name, fields, None)
        else:
            write()
    except Invalid as invalid:
        return forms.place(invalid.problems) | errors
    return errors


def make(name: str, fields: Mapping[str, Any]) -> Entry:
    """Store a new schedule; raises Invalid or Conflict."""
    tasks, file_only = service().tasks, service().file_only
    return changes.create(service().store, name, fields, tasks=tasks, by=user(), file_only=file_only)


def change(entry: Entry, fields: Mapping[str, Any], expected: int, why: str) -> Entry:
    """Save an entry's fields; raises Invalid, RefusedChange, or Conflict if it has another revision."""
    store, tasks, file_only = service().store, service().tasks, service().file_only
    return changes.edit(
        store, entry.name, fields, tasks=tasks, by=user(), revision=expected, why=why, file_only=file_only
    )


def same(sent: Mapping[str, str], stored: Mapping[str, str]) -> bool:
    """Whether the form came back unchanged, apart from the reason."""
    return all(sent[key] == stored[key] for key in stored if key != "why")


def revision(values: Mapping[str, str]) -> int:
    """The revision that the form was opened at; -1, which never matches, if it is no number."""
    text = values["revision"]
    # No revision has more digits, and Python refuses to read thousands.
    return int(text) if text.isdecimal() and len(text) < 16 else -1


def stale(entry: Entry, values: Mapping[str, str]) -> Response:
    """The form after a conflicting change: the stored values beside the submitted ones; saving again overwrites."""
    stored = forms.of_entry(entry)
    compared = ("kind", "timing", *forms.TEXTS, *forms.SHAPES, "enabled")
    theirs = {key: stored[key] for key in compared if stored[key] != values[key]}
    return form(entry, {**values, "revision": str(entry.revision)}, status=409, theirs=theirs)


def editable(name: str) -> Entry:
    """The entry; raises RefusedChange for one that another program owns."""
    entry = service().store.get(name)
    if entry.origin == "redbeat":
        raise RefusedChange(f"'{name}' was created by another program with RedBeat's API: change it there")
    return entry


def form(
    entry: Entry | None,
    values: Mapping[str, str],
    errors: forms.Errors | None = None,
    status: int = 200,
    theirs: Mapping[str, str] | None = None,
) -> Response:
    """The page with the form; ``theirs`` has the stored values that differ, as text, after a conflicting edit."""
    context = {
        "entry": entry,
        "values": values,
        "errors": errors or {},
        "theirs": theirs or {},
        "tasks": sorted(set(service().tasks or ()) - service().file_only),
        "zones": zone_names(),
        "fixed": values["task"] in {*service().file_only, *FILE_ONLY},
        "described": described,
    }
    return page("edit.html", status, **context)


@pages.post("/schedules/<segment:name>/duplicate")
def duplicate(name: str) -> AnyResponse:
    """Make a copy that is off, and open its form."""
    entry = editable(name)
    fields = {key: value for key, value in entry.fields.items() if key not in ("excluded", "renamed_from")}
    copy = next(it for it in (f"{name}-copy{number or ''}" for number in count()) if not service().store.indexed([it]))
    make(copy, fields | {"enabled": False})
    flash(f"Created {copy}, a copy of {name} that is off: change it, then switch it on.")
    return redirect(url_for("changes.edit", name=copy), 303)


@pages.post("/schedules/<segment:name>/pause")
def pause(name: str) -> AnyResponse:
    """Pause it, with an optional reason and end (local time in the schedule's zone)."""
    given = {key: request.form.get(key, "").strip()[:1000] for key in ("note", "until")}
    zone = zone_of(service().store.get(name))
    try:
        until = read_until(given["until"], zone)
    except TimingError as error:
        errors = {"until": [str(error).removesuffix(" — ")]}
        return shown(service().status.detail(name), 422, pause=given, errors=errors)
    changes.pause(service().store, name, by=user(), note=given["note"], until=until)
    return done(name, f"Paused until {absolute(until, zone)}." if until else "Paused until resumed.")


def read_until(text: str, zone: str) -> datetime | None:
    """The end of a pause; None for an open one. Raises TimingError."""
    until = parse_instant(text, zone, "until") if text else None
    if until is not None and until <= clock():
        raise TimingError("until", f"{text} is in the past", "choose a later time, or leave it empty")
    return until


@pages.post("/schedules/<segment:name>/pause/delete")
def resume(name: str) -> AnyResponse:
    """End the pause."""
    changes.resume(service().store, name, by=user())
    return done(name, f"Resumed. {next_run(name, 'Next')}")


@pages.post("/schedules/<segment:name>/skip")
def skip(name: str) -> AnyResponse:
    """Skip the next run, once."""
    entry = changes.skip(service().store, name, by=user(), note=request.form.get("note", "").strip()[:1000])
    due = from_seconds(entry.skip.due) if entry.skip else None
    return done(name, f"The run at {absolute(due, zone_of(entry))} will be skipped.")


@pages.post("/schedules/<segment:name>/skip/delete")
def unskip(name: str) -> AnyResponse:
    """Cancel the skip."""
    changes.unskip(service().store, name, by=user())
    return done(name, f"No longer skipped. {next_run(name, 'Next')}")


@pages.post("/schedules/<segment:name>/overlay/delete")
def revert(name: str) -> AnyResponse:
    """Drop the overlay of one field, or of all fields if none is named: the declared value applies again."""
    entry = editable(name)
    source = "application" if entry.origin == "app" else "file"
    field = request.form.get("field", "")
    its = service()
    changes.revert(its.store, name, field, tasks=its.tasks, by=user(), file_only=its.file_only)
    return done(name, f"Reverted to the {source}. {next_run(name, 'Next')}")


@pages.post("/schedules/<segment:name>/delete")
def delete(name: str) -> AnyResponse:
    """Delete a schedule of origin ``admin``."""
    changes.remove(service().store, name, by=user())
    flash(f"Deleted {name}. Undo it in the audit log.")
    return redirect(url_for("schedules.index"), 303)


def next_run(name: str, which: str) -> str:
    """``Next run: Thu 26 Nov 02:30 EST.``, or why there is none."""
    row = service().status.detail(name).row
    return f"{which} run: {absolute(row.next, row.zone) if row.next else f'none, {row.explanation}'}."


def done(name: str, result: str) -> AnyResponse:
    """Redirect to the schedule's page, which shows the result."""
    flash(result)
    return redirect(url_for("schedules.show", name=name), 303)
