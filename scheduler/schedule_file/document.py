"""A schedule file as read: plain data, the place of every value, and what is wrong with the text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path as FilePath
from typing import Any, Protocol

from scheduler.model import Position, Problem

Path = tuple[str | int, ...]


class Mark(Protocol):
    """A place as the YAML parser gives it; line and column count from 0."""

    line: int
    column: int


COLUMNS = 1 << 23  # more than the longest line that a file of 5 MB can hold


def place(mark: Mark) -> int:
    """Line and column in one number, so that a big file leaves no objects for the garbage collector to walk."""
    return mark.line * COLUMNS + mark.column


class Node:
    """A collection, or an anchored scalar, and where its parts stand; an alias shares the node of its anchor.

    ``size`` counts the values in it once its aliases are written out, ``height`` its levels;
    ``nodes`` holds the collections among its values.
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

    ``look`` reads the text for places; it is called when the first one is asked for.
    """

    def __init__(self, file: str, look: Callable[[], Node | None]) -> None:
        self.file = file
        self.look = look

    @cached_property
    def root(self) -> Node | None:
        return self.look()

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
        """Where the last key of the path is written; for an item of a list, where the item is."""
        parent = self._node(path[:-1])
        if parent and path and path[-1] in parent.keys:
            return self.at(parent.keys[str(path[-1])])
        return self.nearest(path)

    def nearest(self, path: Path) -> Position:
        """The position of the value, or of the key of the closest thing around it that is in the file."""
        if path in self:
            return self[path]
        while path := path[:-1]:
            if path in self:
                return self.key(path)
        return Position(self.file, 1, 1)

    def at(self, place: int) -> Position:
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
    """``data`` is empty when the text could not be read to its end; ``digest`` names the bytes of all files."""

    name: str
    data: dict[str, Any]
    positions: Positions
    problems: tuple[Problem, ...]
    digest: str
    length: int = 0  #: bytes
    incomplete: bool = False  #: whether this or an included file could not be read to its end
    patterns: tuple[str, ...] = ()  #: what `include:` says
    files: tuple[FilePath, ...] = ()  #: what is included
    unended: tuple[str, ...] = ()  #: names of files that end inside a line, so that more may have stood there

    @property
    def imports(self) -> tuple[str, ...]:
        """The modules under ``imports:``, as far as they can be made out."""
        imports = self.data.get("imports")
        return tuple(item for item in imports if isinstance(item, str)) if isinstance(imports, list) else ()


def printable(text: str, longest: int = 60) -> str:
    """Text for a message of one line: cut, and without what a terminal would obey or a reader not see."""
    cut = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in cut)


def owner(path: Path) -> tuple[str, str]:
    """The schedule and the key that a path belongs to; empty where there is none."""
    if path and path[0] == "schedules":
        inner = [*map(str, path[1:3]), "", ""]
        return inner[0], inner[1]
    return "", str(path[0]) if path else ""
