"""Read stored values as the type they should have. Any program writes them: readers raise ValueError or TypeError."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import lru_cache
from typing import Any, TypeVar, cast, get_args

from scheduler.model import Outcome
from scheduler.model.run import Attempt
from scheduler.storage.instants import EARLIEST_S, LATEST_S

T = TypeVar("T")
MAX_NUMBER = 2**53  #: whole numbers beyond this differ between JSON readers
OUTCOMES = get_args(Outcome)


def seconds(value: Any) -> float:
    """Epoch seconds of an instant that every zone can show; 0 for nothing."""
    number = float(value or 0)
    if not math.isfinite(number) or not (number == 0 or EARLIEST_S <= number <= LATEST_S):
        raise ValueError(f"{str(value)[:40]!r} is not an instant")
    return number


def whole(value: Any) -> int:
    """A whole number; 0 for nothing."""
    number = int(value or 0)
    if abs(number) > MAX_NUMBER:
        raise ValueError(f"{str(value)[:40]} is too large")
    return number


def text(value: Any) -> str:
    """A text to show; half a surrogate pair, which no page and no link can hold, becomes a question mark."""
    if not isinstance(value, str):
        raise TypeError(f"{str(value)[:40]!r} is not a text")
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def mapping(value: Any) -> dict[str, Any]:
    """A mapping as it is."""
    if not isinstance(value, dict):
        raise TypeError(f"{str(value)[:40]!r} is not a mapping")
    return value


def outcome(value: Any) -> str:
    """One of the outcomes that this version knows."""
    if value not in OUTCOMES:
        raise ValueError(f"its outcome is {str(value)[:40]!r}")
    return str(value)


def attempts(value: Any) -> tuple[Attempt, ...]:
    """Attempts of a run, each a list of texts; a later version may write more of each."""
    return tuple(
        Attempt(whole(number), seconds(started), seconds(ended), *map(text, words))
        for number, started, ended, *words in (it[: len(Attempt._fields)] for it in value)
    )


READERS: Mapping[str, Callable[[Any], Any]] = {
    "float": seconds,
    "float | None": lambda value: None if value is None else seconds(value),
    "int": whole,
    "bool": lambda value: value in ("1", True),
    "str": text,
    "Outcome": outcome,
    "tuple[Attempt, ...]": attempts,
    "Any": lambda value: value,
}


@lru_cache
def readers(kind: Any) -> dict[str, Callable[[Any], Any]]:
    return {field.name: READERS[str(field.type)] for field in fields(kind)}


def record(kind: type[T], value: Any, **known: Any) -> T:
    """A dataclass of texts, numbers and epoch seconds from a mapping; what it does not know is left out."""
    each: dict[str, Callable[[Any], Any]] = readers(cast("Any", kind))
    return kind(**known, **{name: each[name](part) for name, part in mapping(value).items() if name in each})


def loads(stored: str | None) -> Any:
    """The value of a JSON text. Raises ValueError, also for NaN, which is not JSON, and for too deep a nesting."""
    try:
        return DECODER.decode(stored or "null")
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


DECODER = json.JSONDecoder(parse_constant=refuse)  #: kept, because json.loads would make one for each text


def read_or(default: T, reader: Callable[[Any], T], value: Any) -> T:
    """What the reader makes of a value; the default where it cannot be read."""
    try:
        return reader(value)
    except (ValueError, TypeError, OverflowError):
        return default
