"""What a message must be so that a Celery worker can read it: beat asks before it sends, the worker before it starts.

Celery trusts its messages. A worker that meets another type than it expects ends, gives the message back as it does,
and meets the message again when it is restarted.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Annotated, Any

from celery.app.task import Context
from celery.canvas import maybe_signature
from celery.utils.time import maybe_iso8601, maybe_make_aware
from kombu.message import Message
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from scheduler.model import read_run_id
from scheduler.timing.durations import MAX_DURATION

ACCEPTED = frozenset({"application/json"})
MAX_LIMIT_S = 10 * 366 * 86_400  #: of a time limit
LATEST_YEAR = 2200  #: of an ``eta``: a longer wait overflows the timers of the operating system
MAX_TIMES = 1_000_000  #: retries of one message
#: A header of such a name would take the place of a method of Celery's own.
METHODS = frozenset(name for name, value in vars(Context).items() if callable(value) or isinstance(value, property))


class Unreadable(ValueError):
    """A worker cannot read this message; the text says which part of it, and why."""


def instant(value: Any) -> Any:
    """Accept what Celery accepts as a point in time; raises ValueError."""
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise ValueError("must be an instant in ISO 8601")
    try:
        at: datetime = maybe_make_aware(maybe_iso8601(value))
        at.timestamp()
    except (OverflowError, TypeError, AttributeError) as error:
        raise ValueError(f"is no instant: {error}") from error
    return at


def start_time(value: Any) -> Any:
    """An instant between 1970 and LATEST_YEAR; None for none. Raises ValueError."""
    at = instant(value)
    if at is not None and not 1970 <= at.year <= LATEST_YEAR:
        raise ValueError(f"must be between the years 1970 and {LATEST_YEAR}")
    return at


def signature(value: Any) -> Any:
    """Accept what Celery can make a signature of; raises ValueError."""
    if not isinstance(value, dict) or not isinstance(value.get("task"), str):
        raise ValueError("must be a signature: a mapping with a task")
    if not isinstance(value.get("args") or [], list) or not isinstance(value.get("kwargs") or {}, dict):
        raise ValueError("must be a signature with a list of args and a mapping of kwargs")
    if not isinstance(value.get("options") or {}, dict):
        raise ValueError("must be a signature with a mapping of options")
    try:
        maybe_signature(deepcopy(value))
    except Exception as error:  # it is Celery's own code that reads it, and any part may be of any type
        raise ValueError(f"must be a signature: {type(error).__name__}: {error}") from error
    return value


def run_identity(value: Any) -> Any:
    """A run's id, or None; raises ValueError for anything else."""
    if value is not None:
        if not isinstance(value, str):
            raise ValueError("must be the identity of a run")
        read_run_id(value)
    return value


Seconds = Annotated[float, Field(strict=True, ge=0, le=MAX_LIMIT_S, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=MAX_TIMES)] | None
KeptFor = Annotated[int, Field(ge=0, le=MAX_DURATION // timedelta(seconds=1))] | None
Retrying = Annotated[tuple[Seconds, Seconds | None, bool, list[str | int]], Field(strict=False)] | None
Signature = Annotated[Any, BeforeValidator(signature)]


LIMIT = TypeAdapter[float | None](Seconds | None)


def is_limit(value: Any) -> bool:
    """Whether a worker can read this as a time limit."""
    try:
        LIMIT.validate_python(value)
    except ValidationError:
        return False
    return True


class Strict(BaseModel):
    """JSON's own types, each as it is."""

    model_config = ConfigDict(strict=True, extra="allow")


class Headers(Strict):
    """The headers of a task that a worker reads."""

    task: str
    id: Annotated[str, Field(min_length=1)]
    shadow: str | None = None
    root_id: str | None = None
    parent_id: str | None = None
    group: str | None = None
    group_index: Count = None
    timelimit: Annotated[tuple[Seconds | None, Seconds | None] | None, Field(strict=False)] = None
    eta: Annotated[Any, BeforeValidator(start_time)] = None
    expires: Annotated[Any, BeforeValidator(instant)] = None
    retries: Count = None
    replaced_task_nesting: Count = None
    stamped_headers: list[str] | None = None
    stamps: dict[str, Any] | None = None
    headers: dict[str, Any] | None = None
    reply_to: str | None = None
    correlation_id: str | None = None
    scheduler_run: Annotated[Any, BeforeValidator(run_identity)] = None
    scheduler_retries: Count = None
    scheduler_retrying: Retrying = None
    scheduler_kill_after: Seconds | None = None
    scheduler_max_memory: Annotated[int, Field(ge=0, le=10**18)] | None = None
    scheduler_keep_result: KeptFor = None


class Embedded(BaseModel):
    """What follows the task: the third part of a body."""

    model_config = ConfigDict(strict=True, extra="forbid")

    callbacks: list[Signature] | None = None
    errbacks: list[Signature] | None = None
    chain: list[Signature] | None = None
    chord: Annotated[Any, BeforeValidator(lambda value: value and signature(value))] = None


class Properties(Strict):
    """The properties that a worker reads."""

    priority: Annotated[int, Field(ge=0, le=255)] | None = None
    reply_to: str | None = None
    correlation_id: str | None = None


class Task(Strict):
    """A message of Celery's protocol 2."""

    headers: Headers
    properties: Properties
    body: tuple[list[Any], dict[str, Any], Embedded]


class Place(Strict):
    """Where kombu delivers a message again that was not acknowledged."""

    exchange: str | None
    routing_key: str | None


class FrameProperties(Strict):
    """Those of kombu's properties without which it cannot take a message from a Redis list."""

    delivery_tag: str | int
    delivery_info: Place
    body_encoding: str | None = None


class Frame(Strict):
    """A message as kombu keeps it in Redis."""

    properties: FrameProperties
    body: str | None = None
    headers: dict[str, Any] | None = None
    content_type: str | None = Field(None, alias="content-type")
    content_encoding: str | None = Field(None, alias="content-encoding")


def refuse_frame(raw: Any) -> None:
    """Raise Unreadable for what kombu cannot take from a Redis list."""
    check(Frame, raw)
    body_of(raw)


def body_of(raw: Any) -> bytes | str:
    """The body of a message as kombu keeps it; raises Unreadable."""
    body: bytes | str = raw.get("body") or ""
    if raw["properties"].get("body_encoding") != "base64":
        return body
    try:
        return b64decode(body)
    except ValueError as error:
        raise Unreadable(f"body: {error}") from error


def refuse_task(headers: Mapping[str, Any], properties: Mapping[str, Any], body: Any) -> None:
    """Raise Unreadable for a message of which Celery's worker cannot build a request."""
    if not isinstance(body, (list, tuple)) or len(body) != 3:
        raise Unreadable("body: must be a list of args, kwargs and what follows the task")
    args, kwargs, embedded = body
    args = [*args] if isinstance(args, tuple) else args
    check(Task, {"headers": {**headers}, "properties": {**properties}, "body": (args, kwargs, embedded)})
    if wrong := METHODS.intersection(headers):
        raise Unreadable(f"headers.{min(wrong)}: Celery uses this name itself")


def refuse(raw: Any) -> None:
    """Raise Unreadable for a message, as kombu made it, that a worker could not read."""
    message: Any = Message(  # type: ignore[no-untyped-call]
        body_of(raw),
        content_type=raw.get("content-type"),
        content_encoding=raw.get("content-encoding"),
        headers=raw.get("headers"),
        postencode="utf-8",
        accept=ACCEPTED,
    )
    try:
        if message.errors:  # kombu keeps what it met as it decompressed the body
            raise message.errors[0][1]
        payload = message.decode()
    except Exception as error:  # kombu's registry of serializers is open, and so are their errors
        raise Unreadable(f"body: {error}") from error
    refuse_task(raw.get("headers") or {}, raw["properties"], payload)


def check(model: type[BaseModel], value: Any) -> None:
    """Raise Unreadable with the first thing that is wrong."""
    try:
        model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "message"
        raise Unreadable(f"{place}: {first['msg'].removeprefix('Value error, ')}"[:300]) from None
