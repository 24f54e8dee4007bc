"""Convert between the text of the edit form and a schedule's fields."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from scheduler.model import TIMING_KINDS, Entry, Problem
from scheduler.model.what_runs import kind_of

Errors = dict[str, list[str]]
TEXTS = ("timezone", "description", "overlap", "catch_up")
SHAPES: dict[str, tuple[type, str]] = {
    "args": (list, 'write a JSON list, such as [10, "text", true], or leave it empty'),
    "kwargs": (dict, 'write a JSON object, such as {"format": "pdf"}, or leave it empty'),
}
FORM_FIELDS = frozenset({"name", "task", "timing", "enabled", *TEXTS, *SHAPES})
DEFAULTS = {"timezone": "UTC", "description": "", "overlap": "skip", "catch_up": "latest"}


class NotPlain(ValueError):
    """JSON that would be stored differently from how it was typed."""


def of_entry(entry: Entry) -> dict[str, str]:
    """The form's values for a stored entry."""
    fields = entry.fields
    kind = next((kind for kind in TIMING_KINDS if kind in fields), "cron")
    texts = {key: str(fields.get(key, DEFAULTS[key])) for key in TEXTS}
    data = {key: to_text(fields.get(key)) for key in SHAPES}
    return {
        **texts,
        **data,
        "task": str(fields.get("task") or (kind_of(fields) if entry.name else "")),
        "kind": kind,
        "timing": str(fields.get(kind, "")),
        "enabled": "on" if fields.get("enabled", True) else "",
        "why": "",
        "revision": str(entry.revision),
    }


def empty() -> dict[str, str]:
    """The form's values for a new schedule."""
    return {"name": "", **of_entry(Entry(name="", origin="admin", fields={}))}


def of_request(sent: Mapping[str, str], entry: Entry | None = None) -> dict[str, str]:
    """The submitted values, with the task of the entry if there is one. Browsers send text areas with CRLF."""
    values = {key: sent.get(key, "").replace("\r\n", "\n").strip() for key in empty()}
    return values if entry is None else values | {"task": of_entry(entry)["task"]}


def to_text(value: Any) -> str:
    """A value as JSON for a text area; empty for an empty value."""
    return json.dumps(value, ensure_ascii=False) if value else ""


def to_fields(values: Mapping[str, str]) -> tuple[dict[str, Any], Errors]:
    """The fields that the form sets, and errors for text that is not JSON."""
    kind = values["kind"] if values["kind"] in TIMING_KINDS else "cron"
    fields: dict[str, Any] = {kind: values["timing"], "enabled": bool(values["enabled"])}
    fields |= {key: values[key] for key in TEXTS}
    errors: Errors = {}
    for key, (shape, remedy) in SHAPES.items():
        try:
            fields[key] = read_json(values[key], shape)
        except (ValueError, RecursionError) as error:
            errors[key] = [f"{key}: {explained(error)} — {remedy}"]
    return fields, errors


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
    """The entry's fields updated with the form's; a new kind of timing replaces the old one."""
    kept = {key: value for key, value in entry.fields.items() if key not in (*TIMING_KINDS, "excluded")}
    return kept | dict(fields)


def place(problems: Iterable[Problem]) -> Errors:
    """Each problem under its field; under the empty key if the form does not show that field."""
    errors: Errors = {}
    for problem in problems:
        key = "timing" if problem.key in TIMING_KINDS else problem.key or "name"
        message = f"{problem.what} — {problem.remedy}" if problem.remedy else problem.what
        errors.setdefault(key if key in FORM_FIELDS else "", []).append(message)
    return errors
