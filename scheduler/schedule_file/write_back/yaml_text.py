"""Values as one line of YAML that reads back as the same values, written as its neighbours are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from scheduler.schedule_file import parse

#: Text that every YAML reader takes for text, between brackets too; ``30s`` and ``1h30m`` among it.
SIMPLE = re.compile(
    r"(?!(?i:true|false|null|yes|no|on|off|y|n)$)[A-Za-z_/][\w./@+-]*( \w[\w./@+-]*)*|([0-9]+(ms|[wdhms]))+", re.ASCII
)
ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
PLAIN = "plain"


class Unwritable(ValueError):
    """A value that YAML text cannot say."""


def render(value: Any, style: str = "", *, flow: bool = False) -> str:
    """The value as YAML; raises Unwritable.

    ``style`` is how the text that it replaces is written: ``plain`` or its quote. ``flow`` tells that it will stand
    between brackets.
    """
    if isinstance(value, dict):
        pairs = (f"{render(str(key), flow=True)}: {render(item, flow=True)}" for key, item in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(render(item, flow=True) for item in value) + "]"
    candidates = of_text(value, style) if isinstance(value, str) else [json.dumps(value)]
    written = next((text for text in candidates if reads_back(text, value, flow)), None)
    if written is None:
        raise Unwritable(f"{str(value)[:60]!r} cannot be written as YAML")
    return written


def of_text(text: str, style: str) -> Iterator[str]:
    """Ways to write a text, the best one first."""
    if style == PLAIN or (style not in ("'", '"') and SIMPLE.fullmatch(text)):
        yield text
    if style == "'" and text.isprintable():
        yield "'" + text.replace("'", "''") + "'"
    yield '"' + "".join(map(escaped, text)) + '"'


def escaped(letter: str) -> str:
    """A character as it may be in double quotes."""
    if letter in ESCAPES:
        return ESCAPES[letter]
    return letter if letter.isprintable() else f"\\U{ord(letter):08X}"


def reads_back(text: str, value: Any, flow: bool) -> bool:
    """Whether our own reader makes exactly this value of the text, in the place where it will stand."""
    document = parse(f"k: [{text}, 0]\n" if flow else f"k: {text} # 0\nz: 0\n", "")
    wanted = {"k": [value, 0]} if flow else {"k": value, "z": 0}
    return not document.problems and same(document.data, wanted)


def same(one: Any, other: Any) -> bool:
    """Equal, and of the same types: 1 is neither true nor 1.0 for the task that gets it."""
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(item, other[key]) for key, item in one.items())
    return type(one) is type(other) and one == other
