"""Fast reading of a text without errors, anchors and tags: data only, no positions.

Positions cost more than the data and are needed only for errors: then the builder reads the text again.
"""

from __future__ import annotations

from typing import Any

import yaml
from yaml.events import MappingEndEvent, MappingStartEvent, ScalarEvent, SequenceEndEvent, StreamEndEvent

from scheduler.schedule_file.builder import LARGE, LOADER, MAX_DEPTH, MAX_KEYS, MAX_VALUES
from scheduler.schedule_file.scalars import plain


class SecondLook(Exception):
    """The text has an anchor, a tag, a duplicate key or an error: the builder has to read it."""


def read(text: str) -> dict[str, Any] | None:
    """The mapping in the text; None if the builder has to read it."""
    parser = LOADER(text)
    try:
        return Quick(parser.get_event).document()
    except (SecondLook, yaml.YAMLError):
        return None
    finally:
        parser.dispose()


class Quick:
    """Reads one text."""

    def __init__(self, next_event: Any) -> None:
        self.next = next_event
        self.count = 0
        self.section = ""  #: the key at the top that is being read

    def document(self) -> dict[str, Any]:
        """The whole document as a mapping; raises SecondLook for anything but plain mappings, lists and scalars."""
        self.next()
        self.expect(type(self.next()) is not StreamEndEvent)
        first = self.next()
        self.expect(type(first) is MappingStartEvent)
        data: dict[str, Any] = self.collection(first, 1)
        self.next()
        self.expect(type(self.next()) is StreamEndEvent and self.count < MAX_VALUES)
        return data

    def expect(self, condition: bool) -> None:
        """Raise SecondLook unless the condition holds."""
        if not condition:
            raise SecondLook

    def collection(self, event: Any, depth: int) -> Any:
        """The mapping or list that starts with this event."""
        self.expect(event.anchor is None and event.tag is None and depth <= MAX_DEPTH and self.count <= MAX_VALUES)
        return self.mapping(depth) if type(event) is MappingStartEvent else self.sequence(depth)

    def mapping(self, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        next_event = self.next
        while type(item := next_event()) is not MappingEndEvent:
            if type(item) is not ScalarEvent or item.anchor is not None or item.tag is not None:
                raise SecondLook
            key = item.value
            # A duplicate key needs its place for the error, and << needs the anchors.
            if key in values or key == "<<":
                raise SecondLook
            if len(values) >= MAX_KEYS and (depth != 2 or self.section not in LARGE):
                raise SecondLook
            if depth == 1:
                self.section = key
            event = next_event()
            if type(event) is ScalarEvent and event.anchor is None and event.tag is None:
                values[key] = event.value if event.style else plain(event.value)
            else:
                values[key] = self.collection(event, depth + 1)
        self.count += 2 * len(values)
        return values

    def sequence(self, depth: int) -> list[Any]:
        items: list[Any] = []
        next_event = self.next
        while type(event := next_event()) is not SequenceEndEvent:
            if type(event) is ScalarEvent and event.anchor is None and event.tag is None:
                items.append(event.value if event.style else plain(event.value))
            else:
                items.append(self.collection(event, depth + 1))
        self.count += len(items)
        return items
