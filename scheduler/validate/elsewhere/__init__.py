"""Keys that other schedulers use, answered with the line of ours to write."""

from __future__ import annotations

import re
from collections.abc import Collection

from scheduler.model import TIMING_KINDS, Policies
from scheduler.printable import printable
from scheduler.schedule_file.write_back.yaml_text import Unwritable, render
from scheduler.validate.elsewhere.values import Fields, command, timing_fields
from scheduler.validate.elsewhere.words import LISTS, WORDS

MAX_LINE = 300  #: characters of a line worth pasting


def remedy(key: str, value: object, allowed: Collection[str]) -> str | None:
    """What to write instead of another scheduler's key, of the keys that are allowed there; None if it is unknown."""
    plain = bare(key)
    if "schedules" in allowed and plain in LISTS:
        return "write schedules:, and one name with its keys for each below it"
    word = WORDS.get(plain)
    # A mapping at the top is a section of the file with a wrong name.
    if word is None or ("schedules" in allowed and isinstance(value, dict)):
        return None
    fields = word.read(value)
    if fields == {}:
        return f"leave it out: {word.otherwise}"
    lines = written(fields) if fields else None
    place = where(fields.keys() if fields else word.keys, allowed)
    return f"write {lines or word.otherwise}{place}" if word.keys else word.otherwise


def timing_remedy(value: object) -> str | None:
    """The line for a timing given as a mapping or a list, such as ``{minute: 0, hour: 9}``."""
    fields = timing_fields(value)
    return f"write {written(fields)}" if fields else None


def command_remedy(value: object) -> str | None:
    """The line for a command that is given as text."""
    fields = command(value)
    return f"write {written(fields)}" if fields else None


def given(keys: Collection[object]) -> set[str]:
    """The keys of ours that these keys stand for; ``timing`` for any of its kinds."""
    words = [WORDS[plain] for key in keys if (plain := bare(str(key))) in WORDS]
    ours = {key for word in words for key in word.keys}
    return ours | ({"timing"} if ours & {*TIMING_KINDS} else set())


def bare(key: str) -> str:
    """``concurrencyPolicy``, ``concurrency-policy`` and ``concurrency_policy`` are one word."""
    return re.sub("[^a-z0-9]", "", key[:100].lower())


def written(fields: Fields) -> str | None:
    """``overlap: skip and expires: 1m``; None if that is no line to paste."""
    try:
        lines = printable(" and ".join(f"{key}: {render(value)}" for key, value in fields.items()))
    except (Unwritable, TypeError, ValueError):
        return None
    return lines if len(lines) <= MAX_LINE else None


def where(ours: Collection[str], allowed: Collection[str]) -> str:
    """The place for keys that do not belong where the unknown one is."""
    if set(ours) <= set(allowed):
        return ""
    return " under defaults:" if "defaults" in allowed and set(ours) <= set(Policies.model_fields) else " in a schedule"
