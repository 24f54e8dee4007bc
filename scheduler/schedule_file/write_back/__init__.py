"""Write changes of schedules into the text of the schedule file. Pure: works on texts only.

Comments, order, quotes, layout and line breaks of everything else stay. The result is parsed again and must contain
exactly the requested change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scheduler.model import NOTHING, Schedule
from scheduler.schedule_file import parse
from scheduler.schedule_file.spans import Unplaced, spans
from scheduler.schedule_file.write_back.blocks import add_schedules
from scheduler.schedule_file.write_back.patch import unified_diff
from scheduler.schedule_file.write_back.splice import CannotSplice, Splice
from scheduler.schedule_file.write_back.yaml_text import Unwritable, same

__all__ = ["CannotSplice", "Spliced", "in_file", "inherited", "same", "splice", "unified_diff"]

BY_HAND = "the block has anchors, aliases or <<, which other values may share"


@dataclass(frozen=True)
class Spliced:
    """The new text; ``doubts`` are reasons for a person to check the diff before it is written."""

    text: str
    doubts: tuple[str, ...] = ()


def splice(text: str, wanted: Mapping[str, Mapping[str, Any]]) -> Spliced:
    """The text with exactly these fields for these schedules; missing schedules are added.

    Raises CannotSplice with the reason.
    """
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    body = text.removeprefix(mark)
    old = parse(body, "")
    if old.problems:
        raise CannotSplice(str(old.problems[0]))
    try:
        edits = Splice(body)
        edit(edits, old.data, wanted)
        done = edits.result()
    except (Unwritable, Unplaced) as error:
        raise CannotSplice(str(error)) from error
    declared = old.data.get("schedules") or {}
    expected = {**old.data, "schedules": {**declared, **wanted}}
    new = parse(done, "")
    if new.problems or not same(new.data, expected):
        raise CannotSplice("its layout does not allow this change alone")
    return Spliced(mark + done, tuple(dict.fromkeys(edits.doubts)))


def edit(edits: Splice, data: Mapping[str, Any], wanted: Mapping[str, Mapping[str, Any]]) -> None:
    """Write these schedules into the text; raises CannotSplice for one that is merged from elsewhere."""
    root = spans(edits.text)
    declared = data.get("schedules") or {}
    top = next((item for item in root.items if item.key == "schedules"), None)
    items = {item.key: item for item in top.value.items} if top else {}
    for name, fields in wanted.items():
        if name in items:
            if items[name].value.any_shared:
                edits.doubts.append(BY_HAND)
            edits.change(items[name], declared[name], dict(fields), flow=bool(top and top.value.style == "flow"))
        elif name in declared:
            raise CannotSplice(f"{name!r} is merged from elsewhere with <<")
    if new := {name: fields for name, fields in wanted.items() if name not in declared}:
        add_schedules(edits, root, new)


def inherited(data: Mapping[str, Any]) -> frozenset[str]:
    """The fields that schedules take from the top of the file unless they set their own."""
    defaults = data.get("defaults")
    zone = {"timezone"} if data.get("timezone", "UTC") != "UTC" else set()
    return frozenset({*(defaults if isinstance(defaults, dict) else {}), *zone})


def in_file(in_text: Mapping[str, Any], values: Mapping[str, Any], top: frozenset[str]) -> dict[str, Any]:
    """The fields to write in the file so that these values apply; None removes a field.

    To remove a field that the top of the file sets, its default is written instead.
    """
    fields = dict(in_text)
    for name, value in values.items():
        if name == "excluded":  # follows from `except`
            continue
        if value is not None:
            fields[name] = value
        elif name in top:
            default = Schedule.default(name)
            fields[name] = NOTHING if default is None else default
        else:
            fields.pop(name, None)
    return fields
