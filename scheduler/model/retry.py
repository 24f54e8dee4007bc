"""When a failed run is retried: the keys beside ``retries``, and what a message carries of them to the worker."""

from __future__ import annotations

import random
import re
from datetime import timedelta
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from scheduler import timing
from scheduler.model.fields import DURATION_PATTERN, Duration, read_duration, read_none, read_whole

MAX_RETRY_PAUSE = timedelta(days=1)  #: a worker holds the message of the next attempt for that long
BACKOFF = timedelta(minutes=10)
EXCEPTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
OF_RETRIES = ("retry_delay", "retry_backoff", "retry_jitter", "retry_for")  #: without effect where `retries` is 0


def read_pause(value: object) -> timedelta:
    """Read a duration of at most MAX_RETRY_PAUSE."""
    pause = read_duration(value)
    if pause > MAX_RETRY_PAUSE:
        raise ValueError(f"{timing.format_duration(pause)} is longer than 1d — write 1d or less")
    return pause


def read_backoff(value: object) -> object:
    """Accept Celery's ``true`` and ``false``."""
    value = read_none(value)
    if isinstance(value, bool):
        return BACKOFF if value else None
    return value if value is None else read_pause(value)


def read_failure(value: object) -> object:
    """Check one entry of ``retry_for``."""
    value = read_whole(value)
    if type(value) is int and 1 <= value <= 255:
        return value
    if isinstance(value, str) and EXCEPTION.fullmatch(value) and len(value) <= MAX_NAME_CHARS:
        return value
    raise ValueError(
        f"cannot be {value!r:.60} — write the name of an exception such as ConnectionError, or an exit code"
    )


MAX_NAME_CHARS = 200
DURATION_SCHEMA: dict[str, Any] = {"type": "string", "pattern": DURATION_PATTERN, "examples": ["30s", "10m", "1h30m"]}
RetryDelay = Annotated[Duration, BeforeValidator(read_pause)]
RetryBackoff = Annotated[
    timedelta | None,
    BeforeValidator(read_backoff),
    PlainSerializer(lambda value: value if value is None else timing.format_duration(value)),
    WithJsonSchema({"anyOf": [{"type": "boolean"}, DURATION_SCHEMA, {"type": "null"}]}),
]
Failure = Annotated[
    str | int,
    BeforeValidator(read_failure),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 255},
                {"type": "string", "maxLength": MAX_NAME_CHARS, "pattern": f"^{EXCEPTION.pattern}$"},
            ]
        }
    ),
]


class Retrying(NamedTuple):
    """How the schedule of a run wants it retried, as the message carries it to the worker."""

    delay: float = 1.0  #: seconds
    backoff: float | None = BACKOFF.total_seconds()  #: the longest pause in seconds; None for equal pauses
    jitter: bool = False
    only: tuple[str | int, ...] = ()  #: names of exceptions and exit codes; any failure if empty

    def pause(self, retry: int) -> float:
        """Seconds before the given retry; the first is 1."""
        doublings = 0 if self.backoff is None else min(retry - 1, 64)  # more would be no finite number
        longest = max(self.delay, self.backoff or 0)
        pause = min(self.delay * 2.0**doublings, longest)
        return random.uniform(0, pause) if self.jitter else pause  # noqa: S311 - it spreads load

    def is_for(self, error: BaseException) -> bool:
        """Whether a body that ended with this error is retried."""
        names = {
            name for base in type(error).__mro__ for name in (base.__name__, f"{base.__module__}.{base.__qualname__}")
        }
        return not self.only or getattr(error, "exit_code", None) in self.only or not names.isdisjoint(self.only)
