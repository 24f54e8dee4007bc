"""The fields of the edit form beside its task and its timing: one line of text for each, and what it means."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args, get_origin

from scheduler.model import Schedule
from scheduler.schedule_file import plain

GROUPS: dict[str, tuple[str, ...]] = {
    "First, last and excluded runs": ("start", "end", "max_runs", "jitter", "except"),
    "Queue and overlap": (
        "queue",
        "priority",
        "overlap",
        "max_queued",
        "group",
        "expires",
        "catch_up",
        "catch_up_window",
    ),
    "Limits": ("timeout", "kill_after", "max_memory", "late_after", "slow_after"),
    "Failures": (
        "retries",
        "retry_delay",
        "retry_backoff",
        "retry_jitter",
        "retry_for",
        "on_lost",
        "pause_after_failures",
    ),
    "Afterwards": ("then", "keep_result"),
}
ABOVE = ("timezone", "description", "tags")  #: shown beside the task and the timing
LINES = (*ABOVE, *(name for names in GROUPS.values() for name in names))
#: Stay text, whatever number or word they look like.
AS_TYPED = frozenset({"timezone", "description", "queue", "group", "start", "end"})
LISTS = frozenset({"tags", "except", "retry_for", "then"})
TEXT_LISTS = LISTS - {"retry_for"}


class Field(NamedTuple):
    """How a field looks in the form."""

    name: str
    help: str
    default: str  #: what holds if it is left empty
    choices: tuple[str, ...]  #: of a list to choose from; empty for free text
    inherited: str  #: what the schedule file gives to its schedules; empty without one


def looks(inherited: Mapping[str, Any]) -> dict[str, Field]:
    """Each field by its name, beside what the schedule file sets for all."""
    return {name: look(name, to_text(inherited[name]) if name in inherited else "") for name in LINES}


def look(name: str, inherited: str) -> Field:
    field = Schedule.model_fields["except_" if name == "except" else name]
    kind = field.annotation
    choices = get_args(kind) if get_origin(kind) is Literal else ("true", "false") if kind is bool else ()
    default = to_text(Schedule.default(name)) or "none"
    return Field(name, str(field.description or ""), default, tuple(map(str, choices)), inherited)


def to_text(value: Any) -> str:
    """A stored value as a line of text; `none` for one that a person set to nothing."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict) and value.keys() == {"success"}:
        value = value["success"]  # of `then`
    if isinstance(value, list) and all(type(item) in (str, int) and reads_as(item) for item in value):
        return ", ".join(map(str, value))
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)


def reads_as(item: str | int) -> bool:
    """Whether an item of a list is what a reader of the line takes it for."""
    return isinstance(item, int) or (item == item.strip() != "" and "," not in item and item[0] not in "[{")


def of_text(name: str, text: str) -> Any:
    """The value that a line of text means; None for an empty one, which is not set."""
    if not text:
        return None
    if name in AS_TYPED:
        return text
    if name in LISTS:
        items = [item for item in map(str.strip, text.split(",")) if item]
        return items if name in TEXT_LISTS else [plain(item) for item in items]
    return plain(text)
