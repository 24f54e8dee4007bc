"""Run a schedule once with other arguments: a form made from the task's signature."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from scheduler import changes
from scheduler.admin.answers import page
from scheduler.admin.forms import read_json
from scheduler.admin.people import user
from scheduler.admin.service import service
from scheduler.changes import Known
from scheduler.errors import NotFound, RefusedChange
from scheduler.model import Entry
from scheduler.storage import entries

pages = Blueprint("run_with", __name__)
NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
MAX_TEXT = 20_000  #: characters of one argument


@dataclass(frozen=True)
class Field:
    """One parameter of the task."""

    name: str
    value: str  #: as JSON, or plain text
    default: str = ""  #: as JSON; empty where it has to be given
    kind: str = ""  #: its annotation


@pages.get("/schedules/<segment:name>/run")
def form(name: str) -> Response:
    """The form, with the schedule's arguments, or with those of the run ``?from=``."""
    entry = service().store.get(name)
    job = entries.job(entry)
    args, kwargs = list(job.args), dict(job.kwargs)
    if source := request.args.get("from", ""):
        args, kwargs = arguments_of(source, args, kwargs)
    return shown(entry, fields(signature_of(job.task), args, kwargs))


@pages.post("/schedules/<segment:name>/run")
def run(name: str) -> AnyResponse:
    """Send a run with these arguments; on a refusal the form again, with what was typed."""
    entry, its = service().store.get(name), service()
    asked = fields(signature_of(entries.job(entry).task), [], {})
    typed = [Field(it.name, request.form.get(it.name, "")[:MAX_TEXT], it.default, it.kind) for it in asked]
    try:
        args, kwargs = given(typed)
        known = Known(its.tasks, its.file_only)
        identity = changes.run(its.dispatcher, its.store, name, by=user(), args=args, kwargs=kwargs, known=known)
    except RefusedChange as error:
        return shown(entry, typed, str(error))
    return redirect(url_for("runs.show", name=name, run_id=identity), 303)


def shown(entry: Entry, asked: list[Field], refusal: str = "") -> Response:
    running = next((run for run in service().ledger.runs(entry.name) if run.outcome == "running"), None)
    context: dict[str, Any] = {"entry": entry, "fields": asked, "refusal": refusal, "running": running}
    return page("run_with.html", 422 if refusal else 200, **context)


def signature_of(task: str) -> inspect.Signature | None:
    return (service().tasks or {}).get(task)


def arguments_of(run_id: str, args: list[Any], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The arguments that a run was given; the schedule's if it had none of its own. Raises NotFound."""
    try:
        stored = service().ledger.get(run_id).arguments
        args, kwargs = json.loads(stored) if stored else (args, kwargs)
    except ValueError:
        raise NotFound(f"{run_id!r} is not a run ID") from None
    return args, kwargs


def fields(signature: inspect.Signature | None, args: list[Any], kwargs: Mapping[str, Any]) -> list[Field]:
    """One for each parameter; ``args`` and ``kwargs`` as JSON where the signature does not name all of them."""
    bound = named(signature, args, kwargs)
    if signature is None or bound is None:
        return [Field("args", json.dumps(args), "[]", "list"), Field("kwargs", json.dumps(kwargs), "{}", "object")]
    return [
        Field(it.name, text_of(bound[it.name]) if it.name in bound else "", default_of(it), kind_of(it))
        for it in signature.parameters.values()
    ]


def named(signature: inspect.Signature | None, args: list[Any], kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
    """The arguments by name; None where they cannot all be named."""
    if signature is None or any(it.kind not in NAMED for it in signature.parameters.values()):
        return None
    if {"args", "kwargs"} & signature.parameters.keys():
        return None
    try:
        return dict(signature.bind_partial(*args, **kwargs).arguments)
    except TypeError:
        return None


def given(typed: list[Field]) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of the form; raises RefusedChange for text that is not JSON."""
    values = {it.name: it.value.strip() for it in typed}
    if values.keys() == {"args", "kwargs"}:
        args, kwargs = read(values["args"], list), read(values["kwargs"], dict)
        return args, kwargs
    return [], {name: value_of(text) for name, text in values.items() if text}


def read(text: str, shape: type) -> Any:
    try:
        return read_json(text, shape)
    except (ValueError, RecursionError):
        kind = "list, such as [10, 20]" if shape is list else 'object, such as {"format": "pdf"}'
        raise RefusedChange(f"{text[:60]} is not a JSON {kind}") from None


def value_of(text: str) -> Any:
    """JSON where it is JSON, else the text itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def text_of(value: Any) -> str:
    """A value as a person types it: text without quotes, unless the form would then lose or change a part of it."""
    is_whole = isinstance(value, str) and [value] == value.strip().splitlines() and value_of(value) == value
    return str(value) if is_whole else json.dumps(value, ensure_ascii=False)


def default_of(parameter: inspect.Parameter) -> str:
    return "" if parameter.default is parameter.empty else json.dumps(parameter.default, default=repr)


def kind_of(parameter: inspect.Parameter) -> str:
    note = parameter.annotation
    return "" if note is parameter.empty else str(getattr(note, "__name__", note))
