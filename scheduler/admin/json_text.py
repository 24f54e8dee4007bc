"""JSON that a person types into a form."""

from __future__ import annotations

import json
from typing import Any

Errors = dict[str, list[str]]  #: sentences by the field that each is about


class NotPlain(ValueError):
    """JSON that would be stored differently from how it was typed."""


def to_json(value: Any) -> str:
    """A value as JSON for a text area; empty for an empty value."""
    return json.dumps(value, ensure_ascii=False) if value else ""


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
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    return str(error) if isinstance(error, NotPlain) else "this is nested too deeply or contains too long a number"
