"""Build plain data with positions from YAML events.

No ready-made loader combines what this needs: the position of every value, duplicate keys as errors,
YAML 1.2 types, and limits that apply while reading.
"""

from __future__ import annotations

from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from scheduler.model import Position, Problem
from scheduler.schedule_file import scalars, syntax
from scheduler.schedule_file.document import COLUMNS, Mark, Node, owner, place, printable

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MAX_DEPTH = 32
MAX_VALUES = 2_000_000  # keys count too, and aliases as if written out; 100 000 plain schedules hold 1 500 000
MAX_KEYS = 2_000  # of one mapping, so that a file of wrong keys is refused at once
LARGE = ("schedules", "calendars")  # the mappings at the top that may have more
MAX_PROBLEMS = 500


class Refused(Exception):
    """Stops the reading; the problem has been noted."""


class Builder:
    """Reads one text: call :meth:`build` once, then see ``problems``."""

    def __init__(self, text: str, name: str, loader: Any = LOADER) -> None:
        self.text = text
        self.name = name
        self.parser = loader(text)
        self.next = self.parser.get_event
        self.path: list[str | int] = []
        self.anchors: dict[str, Node | None] = {}
        self.count = 0
        self.deepest = 0
        self.problems: list[Problem] = []

    def build(self) -> Node | None:
        """The root of the first document; None if the text is empty or cannot be read to its end."""
        try:
            return self._document()
        except Refused:
            return None
        except yaml.MarkedYAMLError as error:
            self._explain(error)
            return None
        finally:
            self.parser.dispose()

    def _document(self) -> Node | None:
        self.next()
        if type(self.next()) is StreamEndEvent:
            return None
        root = Node({}, 0)
        self._put(root, "", self.next(), 0)
        self.next()
        after = self.next()
        if type(after) is not StreamEndEvent:
            self._note(
                after.start_mark, "a second document starts here", "keep one document, without a '---' line inside"
            )
        return root.nodes.get("") or Node(root.value[""], root.places[""])

    def _put(self, node: Node, step: str | int, event: Any, depth: int) -> None:
        """Read the value that starts with this event into the node."""
        mark = event.start_mark
        node.places[step] = mark.line * COLUMNS + mark.column
        self.count += 1
        if type(event) is ScalarEvent and event.anchor is None and event.tag is None:
            text = event.value
            node.value[step] = text if event.style else scalars.plain(text)
        else:
            child = self._child(event, depth)
            node.value[step] = child.value
            if child.height:
                node.nodes[step] = child
        if self.count > MAX_VALUES:
            what = f"the file has more than {MAX_VALUES} values, aliases counted in full"
            self._refuse(mark, what, "split it, or use fewer aliases")

    def _child(self, event: Any, depth: int) -> Node:
        if type(event) is AliasEvent:
            return self._alias(event, depth)
        if type(event) in (MappingStartEvent, SequenceStartEvent):
            return self._collection(event, depth + 1)
        self.anchors[event.anchor] = node = Node(self._scalar(event), place(event.start_mark))
        return node

    def _scalar(self, event: Any) -> scalars.Scalar:
        if event.tag is not None:
            self._tag(event)
        text: str = event.value
        return text if event.style else scalars.plain(text)

    def _alias(self, event: Any, depth: int) -> Node:
        node = self.anchors.get(event.anchor)
        if node is None:
            name = printable(event.anchor)
            itself = event.anchor in self.anchors
            what = f"*{name} refers to itself" if itself else f"there is no anchor &{name}"
            self._note(event.start_mark, what, "define the anchor above, or quote text that starts with *")
            return Node(f"*{event.anchor}", place(event.start_mark))
        self._check_depth(depth + node.height, event.start_mark)
        # As if written out: nested aliases can make billions of values of a few lines.
        self.count += node.size
        return node

    def _collection(self, event: Any, depth: int) -> Node:
        self._check_depth(depth, event.start_mark)
        if event.tag is not None:
            self._tag(event)
        if event.anchor is not None:
            # Until it is read to its end, an alias to it would contain itself.
            self.anchors[event.anchor] = None
        before, around, self.deepest = self.count, self.deepest, depth
        node = self._mapping(event, depth) if type(event) is MappingStartEvent else self._sequence(event, depth)
        node.size = self.count - before + 1
        node.height = self.deepest - depth + 1
        self.deepest = max(around, self.deepest)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def _sequence(self, event: Any, depth: int) -> Node:
        node = Node([], place(event.start_mark))
        index = 0
        while type(item := self.next()) is not SequenceEndEvent:
            self.path.append(index)
            node.value.append(None)
            self._put(node, index, item, depth)
            self.path.pop()
            index += 1
        return node

    def _mapping(self, event: Any, depth: int) -> Node:
        node = Node({}, place(event.start_mark))
        merged: list[Node] = []
        while type(item := self.next()) is not MappingEndEvent:
            key = self._key(item, depth)
            if len(node.keys) >= MAX_KEYS and not (len(self.path) == 1 and self.path[0] in LARGE):
                self._refuse(item.start_mark, f"a mapping has more than {MAX_KEYS} keys", "delete or divide it")
            self.path.append(key)
            if key == "<<" and not item.style:
                merged += self._sources(depth)
            elif key in node.keys:
                self._duplicate(key, node.keys[key], item.start_mark)
                # It is read all the same, for the errors in it.
                self._put(Node({}, 0), key, self.next(), depth)
            else:
                node.keys[key] = place(item.start_mark)
                self._put(node, key, self.next(), depth)
            self.path.pop()
        # At the end: the mapping's own keys win, wherever << is written.
        for source in merged:
            merge(source, node)
        return node

    def _key(self, event: Any, depth: int) -> str:
        """The text of a key, whatever type it would have as a value: ``on:`` and ``123:`` are names too."""
        mark: Mark = event.start_mark
        if type(event) is ScalarEvent and event.anchor is None and event.tag is None:
            self.count += 1
            return str(event.value)
        if type(event) is not ScalarEvent:
            self._put(Node({}, 0), "", event, depth)
            self._note(mark, "a key must be plain text", "write key: value, and quote unusual keys")
            return ""
        if event.tag is not None:
            self._tag(event)
        key: str = event.value
        if event.anchor is not None:
            self.anchors[event.anchor] = Node(key, place(mark))
        self.count += 1
        return key

    def _duplicate(self, key: str, first: int, mark: Mark) -> None:
        lines = f"on lines {first // COLUMNS + 1} and {mark.line + 1}"
        self._note(mark, f"duplicate key '{printable(key)}' {lines}", "delete or rename one of them")

    def _sources(self, depth: int) -> list[Node]:
        """The mappings that a merge key refers to: one, or a list."""
        event = self.next()
        holder = Node({}, 0)
        self._put(holder, "<<", event, depth)
        node = holder.nodes.get("<<")
        sources = [node]
        if node and isinstance(node.value, list):
            sources = [node.nodes.get(index) for index in range(len(node.value))]
        good = [source for source in sources if source and isinstance(source.value, dict)]
        if len(good) < len(sources):
            self._note(
                event.start_mark, "the merge key << needs a mapping", "write <<: *name, where &name marks a mapping"
            )
        return good

    def _tag(self, event: Any) -> None:
        self._note(event.start_mark, f"tags such as {printable(event.tag)} are not allowed", "write the plain value")

    def _explain(self, error: yaml.MarkedYAMLError) -> None:
        mark = error.problem_mark or error.context_mark
        start = error.context_mark or mark
        if mark is None or start is None:
            mark = start = yaml.Mark(self.name, 0, 0, 0, None, 0)
        explained = syntax.explain(self.text, error.problem or "", (mark.line, mark.column), (start.line, start.column))
        mark = yaml.Mark(self.name, 0, explained.line, explained.column, None, 0)
        self._note(mark, explained.what, explained.remedy)

    def _check_depth(self, depth: int, mark: Mark) -> None:
        self.deepest = max(self.deepest, depth)
        if depth > MAX_DEPTH:
            self._refuse(mark, f"this is nested more than {MAX_DEPTH} levels deep", "nest less")

    def _refuse(self, mark: Mark, what: str, remedy: str) -> None:
        self._note(mark, what, remedy)
        raise Refused

    def _note(self, mark: Mark, what: str, remedy: str, *path: str | int) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            schedule, key = owner((*self.path, *path))
            position = Position(self.name, mark.line + 1, mark.column + 1)
            self.problems.append(Problem(what, remedy, printable(schedule, 100), printable(key), position))


def merge(source: Node, target: Node) -> None:
    """Copy the keys that the target does not have; of several sources the first wins."""
    for key in [key for key in source.keys if key not in target.keys]:
        target.value[key] = source.value[key]
        target.keys[key] = source.keys[key]
        target.places[key] = source.places[key]
        if key in source.nodes:
            target.nodes[key] = source.nodes[key]
