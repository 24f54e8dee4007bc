"""The form in which a schedule is made or changed, all through ``changes``: the page accepts what the file accepts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from inspect import Signature
from itertools import count
from typing import Any

from flask import Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from scheduler import changes
from scheduler.admin import arguments, forms, schedules
from scheduler.admin.answers import is_check, page
from scheduler.admin.editing import editable, in_place, pages
from scheduler.admin.form_fields import GROUPS, looks
from scheduler.admin.json_text import Errors, read_json
from scheduler.admin.people import user
from scheduler.admin.preview import preview
from scheduler.admin.saved import RUN, saved
from scheduler.admin.schedules import described
from scheduler.admin.service import service
from scheduler.changes import Invalid
from scheduler.errors import Conflict
from scheduler.model import Entry
from scheduler.model.what_runs import FILE_ONLY
from scheduler.storage import groups
from scheduler.timing import zone_names

MAX_STEM = 90  #: characters of a name of at most 100 that its copy keeps
MAX_MERGES = 3  #: with what others save while this form is saved
MAX_LINES = 100  #: of its history in which the change that came between is looked for
CLOCKS_DIFFER_S = 60.0  #: Redis's from this host's, at most


@pages.get("/schedules/new")
def new() -> Response:
    """The empty form."""
    return form(None, forms.empty(service().store.inherited()) | {"name": request.args.get("name", "")})


@pages.post("/schedules/new")
def create() -> AnyResponse:
    """Create a schedule of origin ``admin``."""
    values = forms.of_request(request.form)
    name = values["name"]
    fields, errors = forms.to_fields(values, None, arguments.of_task(values["task"]))
    fields["task"] = values["task"] or None
    if service().store.indexed([name]):
        errors["name"] = [f"there is already a schedule '{name}' — choose another name"]
    if is_check():
        return checked(None, name, values, fields, errors)
    errors = attempt(lambda: make(name, fields), name, fields, errors)
    return form(None, values, errors, 422) if errors else saved(name, "Created", "First")


@pages.get("/schedules/<segment:name>/edit")
@in_place
def edit(name: str) -> AnyResponse:
    """The form with the stored values."""
    entry = editable(name)
    return form(entry, of_entry(entry))


def of_entry(entry: Entry) -> dict[str, str]:
    """The form's values for a stored entry, with a text for each parameter of its task."""
    return forms.of_entry(entry, signature_of(entry))


def signature_of(entry: Entry) -> Signature | None:
    return arguments.of_task(str(entry.fields.get("task") or ""))


@pages.post("/schedules/<segment:name>/edit")
@in_place
def save(name: str) -> AnyResponse:
    """Save the form; for a schedule from the file as an overlay, which ends when the file changes that field."""
    entry = editable(name)
    opened = opened_with()
    values = forms.as_chosen(forms.of_request(request.form, entry), request.form, opened)
    theirs = forms.to_choose(request.form, opened)
    fields, errors = forms.to_fields(values, entry, signature_of(entry))
    wanted = forms.merged(entry, fields)
    if is_check():
        return checked(entry, name, values, wanted, errors, theirs)
    if theirs:
        return form(entry, values, errors, 409, theirs)
    if forms.same(values, of_entry(entry)):
        return saved(name, "No changes to save")
    try:
        errors = attempt(lambda: change(entry, wanted, forms.revision(values), values["why"]), name, wanted, errors)
    except Conflict:
        return save_beside(service().store.get(name), values)
    return form(entry, values, errors, 422) if errors else saved(name, "Saved", "Next")


def save_beside(entry: Entry, values: dict[str, str], tries: int = MAX_MERGES) -> AnyResponse:
    """Save over what someone else saved meanwhile, where the two changed different fields; else show both."""
    stored, opened, signature = of_entry(entry), opened_with(), signature_of(entry)
    both, theirs = forms.reconciled(opened, stored, forms.in_shape_of(stored, opened, values, entry, signature))
    errors: Errors = {}
    if opened and not theirs and tries:
        fields, errors = forms.to_fields(both, entry, signature)
        try:
            wanted = forms.merged(entry, fields)
            errors = attempt(lambda: change(entry, wanted, entry.revision, both["why"]), entry.name, wanted, errors)
        except Conflict:  # and someone saved once more
            return save_beside(service().store.get(entry.name), values, tries - 1)
        if not errors:
            return saved(entry.name, "Saved, and merged with the change made meanwhile", "Next")
    return stale(entry, both, theirs, errors)


def opened_with() -> dict[str, str]:
    """The values with which the submitted form was opened; empty if it does not say them."""
    try:
        fields = read_json(request.form.get("opened", ""), dict)
    except (ValueError, RecursionError):
        return {}
    return {str(key): value for key, value in fields.items() if isinstance(value, str)}


def checked(
    entry: Entry | None,
    name: str,
    values: Mapping[str, str],
    fields: Mapping[str, Any],
    errors: Errors,
    theirs: Mapping[str, forms.Both] = {},
) -> Response:
    """The form again, with what it would do; nothing is saved."""
    errors = attempt(lambda: changes.gate(service().store, name, fields, service().tasks), name, fields, errors)
    return form(entry, values, errors, 200, theirs, fields)


def attempt(write: Callable[[], object], name: str, fields: Mapping[str, Any], errors: Errors) -> Errors:
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


def stale(entry: Entry, values: Mapping[str, str], theirs: Mapping[str, forms.Both], errors: Errors) -> Response:
    """The form over what is stored now, with a choice for each field that both changed."""
    now = {"revision": str(entry.revision), "opened": json.dumps(of_entry(entry))}
    return form(entry, {**values, **now}, errors, 409, theirs)


def form(
    entry: Entry | None,
    values: Mapping[str, str],
    errors: Errors | None = None,
    status: int = 200,
    theirs: Mapping[str, forms.Both] = {},
    fields: Mapping[str, Any] | None = None,
) -> Response:
    """The page with the form; ``theirs`` has the fields that need a choice, after a conflicting edit (409).

    ``fields`` are what it would save; without them, those of the entry are shown.
    """
    store, zone, is_stale = service().store, request.form.get("zone", ""), bool(theirs) or status == 409
    signature = arguments.of_task(values["task"])
    asked = arguments.look(signature, values, forms.given_to(entry), theirs)
    shown = fields if fields is not None else entry.fields if entry else {"task": values["task"]}
    context = {
        "shown": preview(values.get("name") or (entry.name if entry else ""), shown, entry, zone, is_valid=not errors),
        "is_checked": fields is not None,
        "opened": values.get("opened") or opened_text(entry),
        "groups": GROUPS,
        "fields": looks(store.inherited()),
        "known": {"group": sorted(groups.declared(store.client, store.keys)), "except": sorted(store.calendars())},
        "entry": entry,
        "values": asked.values,
        "typed": {key for key, text in asked.values.items() if text},
        "arguments": asked,
        "errors": placed(errors or {}, asked, signature),
        "theirs": theirs,
        "is_stale": is_stale,
        "last_change": last_change(entry.name) if entry and is_stale else None,
        "tasks": sorted(set(service().tasks or ()) - service().file_only),
        "zones": zone_names(),
        "fixed": values["task"] in {*service().file_only, *FILE_ONLY},
        "described": described,
        "run": RUN,
    }
    return page("edit.html", status, **context)


def placed(errors: Errors, asked: arguments.Fields, signature: Signature | None) -> Errors:
    """The errors, those of all arguments at the parameters whose fields the form shows."""
    if asked.parameters is None or not errors.keys() & {*arguments.SHAPES, "task"}:
        return errors
    mine = {key: text for key, text in asked.values.items() if key.startswith(arguments.START)}
    _, own = arguments.convert(signature, mine, arguments.Given())
    if own:  # they say more exactly what the others say of the task
        return {key: texts for key, texts in errors.items() if key not in (*arguments.SHAPES, "task")} | own
    shared = [text for key, texts in errors.items() if key in arguments.SHAPES for text in texts]
    others = {key: texts for key, texts in errors.items() if key not in arguments.SHAPES}
    return others | ({"arguments": shared} if shared else {})


def opened_text(entry: Entry | None) -> str:
    """What the form was opened with: as the submitted form says, or as the entry is now."""
    return request.form.get("opened", "") or (json.dumps(of_entry(entry)) if entry else "")


def last_change(name: str) -> dict[str, Any] | None:
    """The newest line of the audit log that changed its fields: a run or a pause does not."""
    lines = service().store.audit.of(name, 0, time.time() + CLOCKS_DIFFER_S, MAX_LINES)
    return next((line for line in lines if line["before"] != line["after"]), None)


@pages.post("/schedules/<segment:name>/duplicate")
@in_place
def duplicate(name: str) -> AnyResponse:
    """Make a copy that is off, and open its form."""
    entry = editable(name)
    fields = {key: value for key, value in entry.fields.items() if key not in ("excluded", "renamed_from")}
    stem = f"{name[:MAX_STEM]}-copy"
    copy = next(it for it in (f"{stem}{number or ''}" for number in count()) if not service().store.indexed([it]))
    try:
        make(copy, fields | {"enabled": False})
    except Invalid as error:
        return schedules.shown(name, 422, refusal=f"Not duplicated: {error}", running=None)
    flash(f"Created {copy}, a copy of {name} that is off: change it, then switch it on.")
    return redirect(url_for("changes.edit", name=copy), 303)
