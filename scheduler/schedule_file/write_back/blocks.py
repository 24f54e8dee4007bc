"""Add new schedules to the file, as blocks in the layout of the existing ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scheduler.model import Policies, Schedule
from scheduler.schedule_file.spans import Item, Span
from scheduler.schedule_file.write_back.splice import CannotSplice, Splice
from scheduler.schedule_file.write_back.yaml_text import render

New = Mapping[str, Mapping[str, Any]]
STEP = 2  #: columns of indentation if the file has no example
FIRST = ("description", "task")
OWN = [name for name in Schedule.model_fields if name not in Policies.model_fields and name not in FIRST]
ORDER = [*FIRST, *(Schedule.model_fields[name].alias or name for name in OWN), *Policies.model_fields]


def add_schedules(splice: Splice, root: Span, new: New) -> None:
    """Add them at the end of ``schedules:``, which is created if missing. Raises CannotSplice."""
    top = next((item for item in root.items if item.key == "schedules"), None)
    if top is not None and top.value.shared:
        raise CannotSplice("schedules: has an anchor or alias")
    if top is not None and top.value.items:
        behind_others(splice, top.value, new)
    elif not root.is_block:
        raise CannotSplice("the whole file is in braces")
    elif top is None:
        end = len(splice.text)
        splice.add_lines(end, 0, ["", "schedules:", *lines(new, STEP, STEP, apart=True)])
    else:
        first_ones(splice, top, new)


def behind_others(splice: Splice, span: Span, new: New) -> None:
    """Add them after the existing schedules, in the same layout."""
    last = span.items[-1]
    if not span.is_block:
        written = [f"{render(name, flow=True)}: {render(ordered(fields))}" for name, fields in new.items()]
        splice.append(span, range(len(span.items)), written)
        return
    column = last.start - splice.start_of_line(last.start)
    step = next((depth for item in reversed(span.items) if (depth := inner(splice, item, column))), STEP)
    apart = len(span.items) == 1 or has_gap(splice, span)
    blocks = lines(new, column, step, apart=apart)
    splice.add_lines(last.end, column + 1, ["", *blocks] if apart else blocks)


def first_ones(splice: Splice, top: Item, new: New) -> None:
    """Add them to ``schedules: {}`` or an empty ``schedules:``."""
    colon, span = splice.behind_colon(top), top.value
    if span.start < span.end:
        splice.lose_comments(span)
        splice.edits.append((colon, span.end, ""))
    splice.add_lines(max(span.end, colon), 1, lines(new, STEP, STEP, apart=True))


def has_gap(splice: Splice, span: Span) -> bool:
    """Whether there is an empty line between the last two schedules."""
    between = splice.text[span.items[-2].end : span.items[-1].start]
    return any(not line.strip() for line in between.splitlines()[1:-1])


def inner(splice: Splice, item: Item, column: int) -> int:
    """Columns by which the fields of a schedule are indented from its name; 0 for one in braces."""
    if not item.value.is_block or not item.value.items:
        return 0
    first = item.value.items[0].start
    return first - splice.start_of_line(first) - column


def lines(new: New, column: int, step: int, *, apart: bool) -> list[str]:
    """The lines of the blocks, with empty lines between them if ``apart``."""
    block: list[str] = []
    for name, fields in new.items():
        block += [""] if apart and block else []
        block.append(" " * column + f"{render(name)}:")
        block += [" " * (column + step) + f"{key}: {render(value)}" for key, value in ordered(fields).items()]
    return block


def ordered(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields in the order in which a person writes them."""
    return {key: fields[key] for key in ORDER if key in fields}
