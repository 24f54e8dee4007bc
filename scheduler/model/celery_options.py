"""Options of Celery's ``apply_async`` that a schedule hands on as they are, since no policy of ours means the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

OWN_HEADERS = "scheduler_"  #: what the name of each header of ours starts with
SIGNATURE: dict[str, Any] = {"args": [], "kwargs": {}, "options": {}, "subtask_type": None, "immutable": False}
MAX_COUNTDOWN_S = 366 * 86_400


def read_options(value: object) -> object:
    """Check and complete the options; raises ValueError with the remedy behind a dash."""
    if not isinstance(value, Mapping):
        return value
    for name in value:
        if name not in READERS:
            raise ValueError(f"has the unknown option {str(name)[:100]!r} — use {', '.join(READERS)}")
    return {name: READERS[name](name, given) for name, given in value.items()}


def read_countdown(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= MAX_COUNTDOWN_S:
        raise ValueError(f"{name} must be a number of seconds — write one such as 10")
    return value


def read_headers(name: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError(f"{name} must be a mapping — write one such as {{tenant: shop}}")
    if ours := [key for key in value if key.startswith(OWN_HEADERS)]:
        raise ValueError(f"{name} has {ours[0][:100]!r}, which only beat sets — rename it")
    return value


def read_signatures(name: str, value: object) -> list[dict[str, Any]]:
    """One signature or a list of them, each complete; a text is the name of a task."""
    return [read_signature(name, item) for item in (value if isinstance(value, (list, tuple)) else [value])]


def read_signature(name: str, value: object) -> dict[str, Any]:
    given = {"task": value} if isinstance(value, str) else value
    if not isinstance(given, Mapping) or not isinstance(given.get("task"), str):
        raise ValueError(f"{name} must be a task — write its name, or {{task: mail.tell, args: [ann]}}")
    whole = {**SIGNATURE, **given}
    if not isinstance(whole["args"], (list, tuple)) or not all(
        isinstance(whole[key], Mapping) for key in ("kwargs", "options")
    ):
        raise ValueError(f"{name} needs args as a list, and kwargs and options as mappings — mend them")
    return whole


READERS: dict[str, Callable[[str, object], Any]] = {
    "countdown": read_countdown,
    "headers": read_headers,
    "link": read_signatures,
    "link_error": read_signatures,
}
