"""Types of schedule fields, and what each accepts."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

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
ShortText = Annotated[str, Field(max_length=200)]
NO_CONTROLS = r"^[^\x00-\x1f\x7f]*$"
QueueName = Annotated[str, Field(max_length=200, pattern=NO_CONTROLS)]
