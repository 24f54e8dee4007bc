"""Types of schedule fields, and what each accepts."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from scheduler import timing

NOTHING = "none"  #: in a schedule, cancels the value from `defaults:`
TIMING_KINDS = ("cron", "every", "at", "rrule", "solar")
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
NUMBERS = (rf"([0-9]{{1,12}}(\.[0-9]{{1,6}})?{unit}\s*)?" for unit in ("w", "d", "h", "m", "s", "ms"))
DURATION_PATTERN = rf"^\s*(?=[0-9]){''.join(NUMBERS)}$"


def read_duration(value: object) -> timedelta:
    """Parse ``1h30m``; refuse a bare number, because its unit would be a guess."""
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{value!r} has no unit — write a duration such as 30s, 10m, 1h30m or 2d")
    return timing.parse_duration(value)


def read_whole(value: object) -> object:
    """Accept 3.0 as 3, as JSON Schema does."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def read_patterns(value: object) -> object:
    """Accept one pattern as a list of one."""
    return [value] if isinstance(value, str) else value


def read_none(value: object) -> object:
    """Read the word ``none`` as None."""
    return None if value == NOTHING else value


NONE = BeforeValidator(read_none)
WHOLE = BeforeValidator(read_whole)
Duration = Annotated[
    timedelta,
    BeforeValidator(read_duration),
    PlainSerializer(timing.format_duration),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "examples": ["30s", "10m", "1h30m", "2d"]}),
]
PATTERN: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 1000, "pattern": r"\S"}
Patterns = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=1000)], ...],
    Field(max_length=100),
    BeforeValidator(read_patterns),
    WithJsonSchema({"anyOf": [PATTERN, {"type": "array", "items": PATTERN, "maxItems": 100}]}),
]
Text = Annotated[str, Field(max_length=4096)]
SIZE = re.compile(r"([0-9]{1,9})\s*(k|M|G|T)(i?)B?", re.ASCII)
POWERS = {"k": 1, "M": 2, "G": 3, "T": 4}
MIN_SIZE = 1_000_000


class Bytes(int):
    """A number of bytes, which was read already."""


def read_size(value: object) -> Bytes:
    """Parse ``512MB`` or ``2GiB``; refuse a bare number, because its unit would be a guess."""
    if isinstance(value, Bytes):
        return value
    match = SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r:.40} is not a size — write one such as 512MB or 2GiB")
    size = int(match[1]) * (1024 if match[3] else 1000) ** POWERS[match[2]]
    if size < MIN_SIZE:
        raise ValueError("is less than 1MB — write a size such as 512MB or 2GiB")
    return Bytes(size)


def format_size(size: int) -> str:
    """The canonical text, in the largest unit that divides it."""
    for unit, power in reversed(POWERS.items()):
        for base, suffix in ((1000, "B"), (1024, "iB")):
            if size % base**power == 0:
                return f"{size // base**power}{unit}{suffix}"
    raise ValueError(f"{size} bytes are not a size that can be read")


Size = Annotated[
    int,
    PlainValidator(read_size),
    PlainSerializer(format_size),
    WithJsonSchema({"type": "string", "pattern": r"^\s*[0-9]{1,9}\s*(k|M|G|T)i?B?\s*$", "examples": ["512MB", "2GiB"]}),
]


def padded(pattern: str) -> dict[str, Any]:
    """The JSON Schema of texts that match this pattern without the blanks around them, which the model strips."""
    return {"type": "string", "pattern": rf"^\s*{pattern.removeprefix('^').removesuffix('$')}\s*$"}


GivenName = Annotated[str, Field(pattern=NAME_PATTERN), WithJsonSchema(padded(NAME_PATTERN))]
ShortText = Annotated[str, Field(max_length=200)]
NO_CONTROLS = r"^[^\x00-\x1f\x7f]*$"
QueueName = Annotated[str, Field(max_length=200, pattern=NO_CONTROLS)]
