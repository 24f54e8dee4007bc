"""Where each value of a schedule file begins and ends in its text, and how it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from scheduler.schedule_file.builder import LOADER


@dataclass(frozen=True)
class Span:
    """One value: ``text[start:end]``, comments after it left out.

    ``style`` is that of a scalar (empty for a plain one, else its quote or ``|`` or ``>``), ``flow`` or ``block``.
    A ``shared`` value has an anchor or is an alias; where an alias stands is not known.
    """

    start: int
    end: int
    kind: str  #: scalar, mapping or sequence
    style: str
    shared: bool = False
    items: tuple[Item, ...] = ()

    @property
    def is_block(self) -> bool:
        return self.style == "block"

    @property
    def any_shared(self) -> bool:
        """Whether it or anything in it has an anchor, is an alias, or is merged from elsewhere."""
        return self.shared or any(item.key == "<<" or item.value.any_shared for item in self.items)


@dataclass(frozen=True)
class Item:
    """A key with its value, or a value of a list; ``start`` is where the key or the dash stands.

    ``after`` is where the value may begin: behind the key, or behind the dash.
    """

    key: str
    start: int
    after: int
    value: Span


def spans(text: str) -> Span:
    """The spans of a text that was parsed without problems."""
    loader: Any = LOADER(text)
    try:
        root = loader.get_single_node()
    finally:
        loader.dispose()
    return _Reader(text).span(root)


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.seen: set[int] = set()

    def span(self, node: Any) -> Span:
        if id(node) in self.seen:
            return Span(-1, -1, "scalar", "", shared=True)
        self.seen.add(id(node))
        start, end = node.start_mark.index, node.end_mark.index
        shared = self.text[start : start + 1] == "&" and start < end
        if isinstance(node, yaml.ScalarNode):
            style = node.style or ""
            if style in ("|", ">"):
                end = start + len(self.text[start:end].rstrip())
            return Span(start, end, "scalar", style, shared)
        mapping = isinstance(node, yaml.MappingNode)
        items = self.pairs(node.value) if mapping else self.listed(node)
        if not node.flow_style:
            end = max((item.value.end for item in items), default=end)
            end = max(end, items[-1].after if items else end)
        style = "flow" if node.flow_style else "block"
        return Span(start, end, "mapping" if mapping else "sequence", style, shared, tuple(items))

    def pairs(self, pairs: Sequence[tuple[Any, Any]]) -> list[Item]:
        return [
            Item(str(key.value), key.start_mark.index, key.end_mark.index, self.span(value)) for key, value in pairs
        ]

    def listed(self, node: Any) -> list[Item]:
        items: list[Item] = []
        for child in node.value:
            value = self.span(child)
            dash = value.start if node.flow_style else self.dash(node, items, value)
            items.append(Item("", dash, dash + (not node.flow_style), value))
        return items

    def dash(self, node: Any, before: Sequence[Item], value: Span) -> int:
        """The dashes of a list stand below one another."""
        if not before:
            return int(node.start_mark.index)
        column = int(node.start_mark.column)
        at = before[-1].value.end
        while (at := self.text.find("\n", at) + 1) and (value.shared or at <= value.start):
            if self.text[at : at + column + 1] == " " * column + "-":
                return at + column
        return value.start
