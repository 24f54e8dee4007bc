"""A schedule file as read: plain data, the position of every value, and problems of the text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path as FilePath
from typing import Any, Protocol

from scheduler.model import Position, Problem
from scheduler.printable import printable as visible

Path = tuple[str | int, ...]


class Mark(Protocol):
    """A position from the YAML parser; line and column count from 0."""

    line: int
    column: int


COLUMNS = 1 << 25  # more than the longest possible line in a file of 20 MB


def place(mark: Mark) -> int:
    """Line and column in one number, so that a big file leaves no objects for the garbage collector to walk."""
    return mark.line * COLUMNS + mark.column


class Node:
    """A collection or an anchored scalar, with the places of its parts; an alias shares its anchor's node.

    ``size`` is the number of values with aliases expanded, ``height`` the number of levels, ``nodes`` the collections
    among the values.
    """

    __slots__ = ("height", "keys", "nodes", "place", "places", "size", "value")

    def __init__(self, value: Any, place: int) -> None:
        self.value = value
        self.place = place
        self.size = 1
        self.height = 0
        self.keys: dict[str, int] = {}
        self.places: dict[str | int, int] = {}
        self.nodes: dict[str | int, Node] = {}


class Positions(Mapping[Path, Position]):
    """The position of the value at each key path; :meth:`key` gives that of the key, :meth:`nearest` never fails.

    ``read`` parses the text for places; it is called at the first request for one.
    """

    def __init__(self, file: str, read: Callable[[], Node | None]) -> None:
        self.file = file
        self.read = read

    @cached_property
    def root(self) -> Node | None:
        """The outermost value; None for a text that has none or cannot be read."""
        return self.read()

    def __getitem__(self, path: Path) -> Position:
        parent = self._node(path[:-1])
        if parent is None or (path and path[-1] not in parent.places):
            raise KeyError(path)
        return self.at(parent.places[path[-1]] if path else parent.place)

    def __iter__(self) -> Iterator[Path]:
        return _paths(self.root, ()) if self.root else iter(())

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def key(self, path: Path) -> Position:
        """The position of the last key of the path; for a list item, of the item."""
        parent = self._node(path[:-1])
        if parent and path and path[-1] in parent.keys:
            return self.at(parent.keys[str(path[-1])])
        return self.nearest(path)

    def nearest(self, path: Path) -> Position:
        """The position of the value; if the file does not have it, of the key of the closest value around it."""
        if path in self:
            return self[path]
        while path := path[:-1]:
            if path in self:
                return self.key(path)
        return Position(self.file, 1, 1)

    def at(self, place: int) -> Position:
        """Line and column, from 1, of a place, which packs both into one number from 0."""
        line, column = divmod(place, COLUMNS)
        return Position(self.file, line + 1, column + 1)

    def _node(self, path: Path) -> Node | None:
        node = self.root
        for step in path:
            node = node.nodes.get(step) if node else None
        return node


def _paths(node: Node, path: Path) -> Iterator[Path]:
    yield path
    for step in node.places:
        child = node.nodes.get(step)
        yield from _paths(child, (*path, step)) if child else [(*path, step)]


@dataclass(frozen=True)
class Document:
    """A parsed file. ``data`` is empty if the text could not be read to its end; ``digest`` covers all files."""

    name: str
    data: dict[str, Any]
    positions: Positions
    problems: tuple[Problem, ...]
    digest: str
    length: int = 0  #: bytes
    incomplete: bool = False  #: whether this or an included file could not be read to its end
    patterns: tuple[str, ...] = ()  #: from `include:`
    files: tuple[FilePath, ...] = ()  #: the included files
    unended: tuple[str, ...] = ()  #: files whose last line has no line break: they may be cut short

    @property
    def imports(self) -> tuple[str, ...]:
        """The valid entries of ``imports:``."""
        imports = self.data.get("imports")
        return tuple(item for item in imports if isinstance(item, str)) if isinstance(imports, list) else ()


def printable(text: str, limit: int = 60) -> str:
    """Text for a message of one line: shortened to ``limit`` characters, with unprintable ones escaped."""
    cut = text if len(text) <= limit else f"{text[: limit - 1]}…"
    return visible(cut)


def owner(path: Path) -> tuple[str, str]:
    """The schedule and the key that a path belongs to; empty text for none."""
    if path and path[0] == "schedules":
        inner = [*map(str, path[1:3]), "", ""]
        return inner[0], inner[1]
    return "", str(path[0]) if path else ""
