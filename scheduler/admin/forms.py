"""Convert between the text of the edit form and a schedule's fields."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from scheduler import timing
from scheduler.admin.form_fields import AS_TYPED, LINES, of_text, to_text
from scheduler.model import TIMING_KINDS, Entry, Problem
from scheduler.model.what_runs import kind_of

Errors = dict[str, list[str]]
SHAPES: dict[str, tuple[type, str]] = {
    "args": (list, 'write a JSON list, such as [10, "text", true], or leave it empty'),
    "kwargs": (dict, 'write a JSON object, such as {"format": "pdf"}, or leave it empty'),
}
ANY_SHAPE = "write it as JSON, or leave it empty"
FORM_FIELDS = frozenset({"name", "task", "timing", "enabled", *LINES, *SHAPES})

COMPARED = ("timing", *LINES, *SHAPES, "enabled")


class NotPlain(ValueError):
    """JSON that would be stored differently from how it was typed."""


def of_entry(entry: Entry) -> dict[str, str]:
    """The form's values for a stored entry."""
    fields = entry.fields
    lines = {name: to_text(fields[name]) if name in fields else "" for name in LINES}
    return {
        **lines,
        **{key: to_json(fields.get(key)) for key in SHAPES},
        "timezone": lines["timezone"] or "UTC",
        "task": str(fields.get("task") or (kind_of(fields) if entry.name else "")),
        "timing": next((str(fields[kind]) for kind in TIMING_KINDS if kind in fields), ""),
        "enabled": "on" if fields.get("enabled", True) else "",
        "why": "",
        "revision": str(entry.revision),
    }


def empty(inherited: Mapping[str, Any] = {}) -> dict[str, str]:
    """The form's values for a new schedule, with what the schedule file gives to its own."""
    return {"name": "", **of_entry(Entry(name="", origin="admin", fields=dict(inherited)))}


def of_request(sent: Mapping[str, str], entry: Entry | None = None) -> dict[str, str]:
    """The submitted values, with the task of the entry if there is one. Browsers send text areas with CRLF."""
    values = {key: sent.get(key, "").replace("\r\n", "\n").strip() for key in empty()}
    return values if entry is None else values | {"task": of_entry(entry)["task"]}


def reconciled(
    opened: Mapping[str, str], stored: Mapping[str, str], mine: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """The form's values over a change that came meanwhile, and the stored values of fields that both changed.

    A field that stayed as the form was ``opened`` takes the stored value.
    """
    both, theirs = dict(mine), dict[str, str]()
    for key in COMPARED:
        if mine[key] == stored[key]:
            continue
        if mine[key] == opened.get(key):
            both[key] = stored[key]
        elif stored[key] != opened.get(key):
            theirs[key] = stored[key]
    return both, theirs


def to_json(value: Any) -> str:
    """A value as JSON for a text area; empty for an empty value."""
    return json.dumps(value, ensure_ascii=False) if value else ""


def to_fields(values: Mapping[str, str], entry: Entry | None = None) -> tuple[dict[str, Any], Errors]:
    """The fields that the form sets, None for one that it leaves unset, and errors for text that cannot be read."""
    errors: Errors = {}
    fields: dict[str, Any] = {"enabled": bool(values["enabled"])}
    for key, (shape, remedy) in SHAPES.items():
        fields[key] = read(key, values[key], shape, remedy, errors)
    for name in LINES:
        text = values[name]
        if text[:1] in ("[", "{") and name not in AS_TYPED:
            fields[name] = read(name, text, list if text[0] == "[" else dict, ANY_SHAPE, errors)
        else:
            fields[name] = of_text(name, text)
    return fields | timing_fields(values["timing"], entry, errors), errors


def timing_fields(text: str, entry: Entry | None, errors: Errors) -> dict[str, str]:
    """The timing that was typed; one that stayed as it was keeps its kind."""
    stored = entry.fields if entry else {}
    kept = next((kind for kind in TIMING_KINDS if stored.get(kind) == text), None)
    fields = {kept: text} if kept else timing.typed_fields(text)
    if "cron" in fields and text[:1].isalpha():
        try:
            timing.build("cron", fields["cron"])
        except timing.TimingError:
            try:
                timing.from_words(text)
            except timing.TimingError as error:  # its examples say more than what is wrong with it as a cron expression
                errors["timing"] = [str(error)]
    return fields


def read(key: str, text: str, shape: type, remedy: str, errors: Errors) -> Any:
    """The JSON of a field; notes the error of one that is none."""
    try:
        return read_json(text, shape)
    except (ValueError, RecursionError) as error:
        errors[key] = [f"{key}: {explained(error)} — {remedy}"]
        return shape()


def read_json(text: str, shape: type) -> Any:
    """Parse JSON of this shape; raises ValueError, also for duplicate keys and NaN, which parsers read differently."""
    data = json.loads(text, object_pairs_hook=unique, parse_constant=refuse) if text else shape()
    if not isinstance(data, shape):
        raise NotPlain(f"this is JSON, but not {'a list' if shape is list else 'an object'}")
    return data


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object as a mapping; raises NotPlain if it has a key twice."""
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        raise NotPlain("a key appears twice")
    return mapping


def refuse(constant: str) -> Any:
    """Raise NotPlain for NaN and Infinity, which are not JSON although Python reads them."""
    raise NotPlain(f"{constant} is not JSON")


def explained(error: Exception) -> str:
    """Why a text is not the JSON that the form needs, as part of a sentence."""
    if isinstance(error, json.JSONDecodeError):
        return f"invalid JSON at line {error.lineno}, column {error.colno}"
    return str(error) if isinstance(error, NotPlain) else "this is nested too deeply or contains too long a number"


def merged(entry: Entry, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The entry's fields updated with the form's; a new timing replaces the old one."""
    kept = {key: value for key, value in entry.fields.items() if key not in (*TIMING_KINDS, "excluded")}
    return {key: value for key, value in {**kept, **fields}.items() if value is not None}


def place(problems: Iterable[Problem]) -> Errors:
    """Each problem under its field; under the empty key if the form does not show that field."""
    errors: Errors = {}
    for problem in problems:
        key = "timing" if problem.key in TIMING_KINDS else problem.key or "name"
        message = f"{problem.what} — {problem.remedy}" if problem.remedy else problem.what
        errors.setdefault(key if key in FORM_FIELDS else "", []).append(message)
    return errors
