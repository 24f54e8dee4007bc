"""Minimal edits to the text of a schedule file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from scheduler.model import TIMING_KINDS
from scheduler.schedule_file.spans import Item, Span
from scheduler.schedule_file.write_back.yaml_text import PLAIN, render, same

BREAK = re.compile(r"\r\n|\r|\n")
ALIAS = re.compile(r"[ \t]*(\*[^\s,\[\]{}]+)")


class CannotSplice(ValueError):
    """The text cannot be edited in place; the message says why."""


class Splice:
    """Collects edits to one text; ``doubts`` are reasons for a person to check them first."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.edits: list[tuple[int, int, str]] = []
        self.doubts: list[str] = []
        first = BREAK.search(text)
        self.newline = first[0] if first else "\n"

    def result(self) -> str:
        """The text with every edit made."""
        pieces, at = [], 0
        for start, end, new in sorted(self.edits, key=lambda edit: edit[:2]):
            if start < at:
                raise CannotSplice("two changes overlap")
            pieces += [self.text[at:start], new]
            at = end
        return "".join([*pieces, self.text[at:]])

    # values

    def change(self, item: Item, old: Any, new: Any, *, flow: bool = False) -> None:
        """Change the value of this key or list item."""
        span = item.value
        if same(old, new):
            return
        if span.is_alias:
            self.detach(item, new, flow=flow)
            return
        flow = flow or span.style == "flow"
        if isinstance(old, dict) and isinstance(new, dict) and any(item.key in new for item in span.items):
            self.mapping(span, old, new, flow=flow)
        elif isinstance(old, list) and isinstance(new, (list, tuple)) and new and span.items:
            self.sequence(item, old, list(new), flow=flow)
        else:
            self.replace(item, new, flow=flow)

    def replace(self, item: Item, new: Any, *, flow: bool, alike: bool = True) -> None:
        """Replace the whole value by one line; ``alike`` keeps the style of a text."""
        span = item.value
        style = (span.style or PLAIN) if alike and span.kind == "scalar" and span.end > span.start else ""
        written = render(new, style, flow=flow)
        colon = self.behind_colon(item)
        if span.end == span.start:
            self.edits.append((colon, colon, f" {written}"))
        elif not span.is_block or "\n" not in self.text[colon : span.start]:
            self.lose_comments(span)
            self.edits.append((span.start, span.end, written))
        else:
            self.lose_comments(span)
            # The value is on the lines below its key: put the new one behind the colon, and remove those lines.
            self.edits.append((colon, colon, f" {written}"))
            self.edits.append((self.line_end(colon), self.line_end(span.end), ""))

    def detach(self, item: Item, new: Any, *, flow: bool) -> None:
        """Replace an alias by a value."""
        alias = ALIAS.match(self.text, self.behind_colon(item))
        if alias is None or not item.key:
            raise CannotSplice("its value is an alias")
        self.edits.append((*alias.span(1), render(new, flow=flow)))

    def behind_colon(self, item: Item) -> int:
        """The place behind the key's colon; for a list item, behind its dash."""
        if not item.key:
            return item.after
        between = re.compile(r"[ \t]*:").match(self.text, item.after)
        if between is None:
            raise CannotSplice(f"the key {item.key!r} is not followed by a colon")
        return between.end()

    def lose_comments(self, span: Span) -> None:
        """Note a doubt if the value has comments, which its replacement loses."""
        if "#" in self.text[span.start : span.end] and (span.kind != "scalar" or span.style in ("|", ">")):
            self.doubts.append("comments inside the old value would be lost")

    # mappings

    def mapping(self, span: Span, old: Mapping[str, Any], new: Mapping[str, Any], *, flow: bool) -> None:
        """Change, remove and add keys."""
        items = {item.key: item for item in span.items}
        gone = [key for key in items if key not in new and key != "<<"]
        # The key is written elsewhere, in a mapping that other schedules may share.
        if merged := [key for key in old if key not in items and key not in new]:
            raise CannotSplice(f"{merged[0]!r} is merged from elsewhere with <<")
        added = [key for key in new if key not in items and not (key in old and same(old[key], new[key]))]
        # A new kind of timing takes the line of the old one, so that comments around it stay in place.
        if len(timings := [key for key in gone if key in TIMING_KINDS]) == 1:
            for key in [key for key in added if key in TIMING_KINDS]:
                item = items[timings[0]]
                self.edits.append((item.start, item.after, key))
                self.replace(item, new[key], flow=flow, alike=item.value.style != "")
                gone.remove(timings[0])
                added.remove(key)
        for key in new:
            if key in items:
                self.change(items[key], old[key], new[key], flow=flow)
        kept = [index for index, item in enumerate(span.items) if item.key not in gone]
        self.remove(span, kept)
        self.append(span, kept, [f"{render(key, flow=flow)}: {render(new[key], flow=flow)}" for key in added])

    # lists

    def sequence(self, item: Item, old: Sequence[Any], new: Sequence[Any], *, flow: bool) -> None:
        """Change items in pairs, remove surplus ones, and add new ones at the end; else replace the whole list."""
        span = item.value
        steps = SequenceMatcher(None, [repr(one) for one in old], [repr(one) for one in new], autojunk=False)
        kept, added, edits = list[int](), list[Any](), list[tuple[Item, Any, Any]]()
        for kind, i, j, k, m in steps.get_opcodes():
            paired = min(j - i, m - k) if kind == "replace" else j - i if kind == "equal" else 0
            # New items go to the end; one that belongs between others needs the whole list.
            if added and paired:
                self.replace(item, new, flow=flow)
                return
            kept += range(i, i + paired)
            edits += [(span.items[i + step], old[i + step], new[k + step]) for step in range(paired)]
            added += new[k + paired : m]
        if not kept:
            self.replace(item, new, flow=flow)
            return
        for part, was, now in edits:
            self.change(part, was, now, flow=flow)
        self.remove(span, kept)
        dash = "- " if span.is_block else ""
        self.append(span, kept, [f"{dash}{render(one, flow=flow)}" for one in added])

    # items of either

    def remove(self, span: Span, kept: Sequence[int]) -> None:
        """Remove all items except those in ``kept``."""
        count = len(span.items)
        if len(kept) == count:
            return
        if span.is_block:
            for index in sorted({*range(count)} - {*kept}):
                start = self.line_start(span.items[index])
                self.edits.append((start, self.line_end(span.items[index].end), ""))
            return
        runs = [(here, there) for here, there in zip([-1, *kept], [*kept, count], strict=True) if there - here > 1]
        for before, behind in runs:
            start = span.items[before].end if before >= 0 and behind == count else span.items[before + 1].start
            end = span.items[behind].start if behind < count else span.items[-1].end
            if "\n" in self.text[start:end]:
                self.doubts.append("its brackets span several lines")
            self.edits.append((start, end, ""))

    def append(self, span: Span, kept: Sequence[int], written: Sequence[str]) -> None:
        """Add items after the last one in ``kept``."""
        if not written:
            return
        last = span.items[kept[-1]] if kept else None
        if not span.is_block:
            at = last.end if last else span.start + 1
            self.edits.append((at, at, ", " * bool(last) + ", ".join(written)))
            return
        if last is None:
            raise CannotSplice("no item of the block would remain")
        first = span.items[0].start
        column = first - self.start_of_line(first)
        self.add_lines(last.end, column, [" " * column + line for line in written])

    def add_lines(self, behind: int, column: int, lines: Sequence[str]) -> None:
        """Add lines below the line of ``behind``, after following comments that are indented at least to ``column``."""
        at = self.line_end(behind)
        # These comments belong to the last item, so the new lines go below them.
        while comment := re.compile(rf"[ \t]{{{max(column, 1)},}}#[^\r\n]*(?:\r\n|\r|\n|$)").match(self.text, at):
            at = comment.end()
        # The last line of the file may lack its line break.
        if BREAK.search(self.text[max(at - 1, 0) : at]):
            self.edits.append((at, at, "".join(line + self.newline for line in lines)))
        else:
            self.edits.append((at, at, "".join(self.newline + line for line in lines)))

    # lines

    def start_of_line(self, at: int) -> int:
        return max(self.text.rfind("\n", 0, at), self.text.rfind("\r", 0, at)) + 1

    def line_start(self, item: Item) -> int:
        """The start of this item's line; raises CannotSplice if something else is before it."""
        start = self.start_of_line(item.start)
        if self.text[start : item.start].strip():
            raise CannotSplice("another value is on the same line")
        return start

    def line_end(self, at: int) -> int:
        """The place after the line break that ends this line."""
        line_break = BREAK.search(self.text, at)
        return line_break.end() if line_break else len(self.text)
