"""The data of a text in which there is nothing to explain, without the places of its values.

Places cost more than the data, and are asked for only when something is wrong: then the builder reads the text again.
"""

from __future__ import annotations

from typing import Any

import yaml
from yaml.events import MappingEndEvent, MappingStartEvent, ScalarEvent, SequenceEndEvent, StreamEndEvent

from scheduler.schedule_file.builder import LOADER, MAX_DEPTH, MAX_VALUES
from scheduler.schedule_file.scalars import plain


class SecondLook(Exception):
    """There is an anchor, a tag, a duplicate key or a mistake, which the builder knows."""


def read(text: str) -> dict[str, Any] | None:
    """The mapping that the text stands for; None for a text that the builder has to look at."""
    parser = LOADER(text)
    try:
        return Quick(parser.get_event).document()
    except (SecondLook, yaml.YAMLError):
        return None
    finally:
        parser.dispose()


class Quick:
    """One reading of one text."""

    def __init__(self, next_event: Any) -> None:
        self.next = next_event
        self.count = 0

    def document(self) -> dict[str, Any]:
        self.next()
        self.expect(type(self.next()) is not StreamEndEvent)
        first = self.next()
        self.expect(type(first) is MappingStartEvent)
        data: dict[str, Any] = self.collection(first, 1)
        self.next()
        self.expect(type(self.next()) is StreamEndEvent and self.count < MAX_VALUES)
        return data

    def expect(self, met: bool) -> None:
        if not met:
            raise SecondLook

    def collection(self, event: Any, depth: int) -> Any:
        self.expect(event.anchor is None and event.tag is None and depth <= MAX_DEPTH and self.count <= MAX_VALUES)
        return self.mapping(depth) if type(event) is MappingStartEvent else self.sequence(depth)

    def mapping(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        next_event = self.next
        while type(item := next_event()) is not MappingEndEvent:
            if type(item) is not ScalarEvent or item.anchor is not None or item.tag is not None:
                raise SecondLook
            key = item.value
            if key in found or key == "<<":
                raise SecondLook
            event = next_event()
            if type(event) is ScalarEvent and event.anchor is None and event.tag is None:
                found[key] = event.value if event.style else plain(event.value)
            else:
                found[key] = self.collection(event, depth + 1)
        self.count += 2 * len(found)
        return found

    def sequence(self, depth: int) -> list[Any]:
        found: list[Any] = []
        next_event = self.next
        while type(event := next_event()) is not SequenceEndEvent:
            if type(event) is ScalarEvent and event.anchor is None and event.tag is None:
                found.append(event.value if event.style else plain(event.value))
            else:
                found.append(self.collection(event, depth + 1))
        self.count += len(found)
        return found
