"""The start and end of each value in the text of a schedule file, and its style."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # which leaves it open what a scalar means


class Span:
    """One value: ``text[start:end]``, without the comments after it.

    ``style`` is that of a scalar (empty for a plain one, else its quote or ``|`` or ``>``), ``flow`` or ``block``.
    A ``shared`` value has an anchor or is an alias; PyYAML does not give an alias's own place. Items are computed on
    demand, because a long file has a million of them.
    """

    def __init__(self, text: str, node: Any, behind: int) -> None:
        self._text = text
        self._node = node
        self.start: int = node.start_mark.index
        self.is_alias = self.start < behind  # then PyYAML gave the place of its anchor
        self.shared = self.is_alias or text.startswith("&", self.start, node.end_mark.index)
        self.kind = KINDS[type(node)]

    @property
    def style(self) -> str:
        """A scalar's quote or block indicator, empty for plain; ``flow`` or ``block`` for a mapping or list."""
        if self.kind == "scalar":
            return str(self._node.style or "")
        return "flow" if self._node.flow_style else "block"

    @property
    def is_block(self) -> bool:
        return self.style == "block"

    @cached_property
    def end(self) -> int:
        """Where it ends; for a block, where its last value ends."""
        end: int = self._node.end_mark.index
        if self.style in ("|", ">"):
            return self.start + len(self._text[self.start : end].rstrip())
        if self.is_block and self.items:
            return self.items[-1].end
        return end

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """The keys of a mapping or the values of a list; empty for an alias."""
        if self.kind == "scalar" or self.is_alias:
            return ()
        return self._pairs() if self.kind == "mapping" else self._listed()

    @property
    def any_shared(self) -> bool:
        """Whether it or anything in it has an anchor, is an alias, or is merged from elsewhere."""
        return self.shared or any(item.key == "<<" or item.value.any_shared for item in self.items)

    def _pairs(self) -> tuple[Item, ...]:
        return tuple(
            Item(str(key.value), key.start_mark.index, key.end_mark.index, Span(self._text, value, key.end_mark.index))
            for key, value in self._node.value
        )

    def _listed(self) -> tuple[Item, ...]:
        items: list[Item] = []
        for child in self._node.value:
            value = Span(self._text, child, items[-1].end if items else self.start)
            dash = self._dash(items, value) if self.is_block else value.start
            items.append(Item("", dash, dash + self.is_block, value))
        return tuple(items)

    def _dash(self, before: list[Item], value: Span) -> int:
        """The place of an item's dash: dashes of one list have the same column."""
        if not before:
            return self.start
        column = int(self._node.start_mark.column)
        at = before[-1].end
        while (at := self._text.find("\n", at) + 1) and (value.is_alias or at <= value.start):
            if self._text[at : at + column + 1] == " " * column + "-":
                return at + column
        return value.start


@dataclass(frozen=True)
class Item:
    """A key with its value, or a list item; ``start`` is the place of the key or the dash.

    ``after`` is the place after the key or the dash, where the value may start.
    """

    key: str
    start: int
    after: int
    value: Span

    @property
    def end(self) -> int:
        """Where its value ends; at least ``after``, for an empty value or an alias."""
        return self.after if self.value.is_alias else max(self.value.end, self.after)


KINDS = {yaml.ScalarNode: "scalar", yaml.MappingNode: "mapping", yaml.SequenceNode: "sequence"}


class Unplaced(ValueError):
    """The text is readable, but not every value has exactly one place."""


def spans(text: str) -> Span:
    """The spans of a text that was parsed without problems; raises Unplaced."""
    loader = LOADER(text)
    try:
        return Span(text, loader.get_single_node(), 0)
    except yaml.MarkedYAMLError as error:  # two anchors of one name
        raise Unplaced(str(error.context or error.problem).split(";")[0]) from error
    finally:
        loader.dispose()
