"""Values of every type of JSON, put into a structure at random places: what anybody may send."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2.5, 10**30, 1e308, "", "x", "2026-01-01", "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-12:00", "\ud800", "\x00", "a\nb", [], [1], ["x", None], [[]], {}, {"a": 1}, {"task": 5},
    {"task": "x", "subtask_type": "chord"}, [{"task": "x"}], [None, None], ["x", 1], [1e400, None], float("nan"), 3600,
)  # fmt: skip
OPTIONS = (
    "time_limit", "soft_time_limit", "link", "link_error", "stamps", "stamped_headers", "countdown", "eta", "expires",
    "priority", "retries", "queue", "exchange", "routing_key", "serializer", "compression", "shadow", "chain", "chord",
    "group_id", "group_index", "root_id", "parent_id", "reply_to", "correlation_id", "ignore_result", "argsrepr",
    "origin", "replaced_task_nesting", "delivery_mode", "expiration", "task_id", "user_id", "content_type", "retry",
)  # fmt: skip
HEADERS = (
    "timelimit", "id", "task", "eta", "expires", "retries", "shadow", "stamps", "stamped_headers", "group", "headers",
    "get", "children", "delivery_info", "properties", "args", "kwargs", "chord", "callbacks", "hostname", "utc",
    "scheduler_run", "scheduler_retries", "root_id", "parent_id", "ignore_result", "replaced_task_nesting", "lang",
    "compression", "called_directly", "is_eager", "update", "reply_to", "correlation_id", "groups", "anything",
)  # fmt: skip


def options(random: Random) -> dict[str, Any]:
    """Options of an entry, one or two of them odd."""
    if random.random() < 0.4:
        return {"headers": {random.choice(HEADERS): random.choice(VALUES)}}
    return {random.choice(OPTIONS): random.choice(VALUES) for _ in range(random.randint(1, 2))}


def mutated(random: Random, value: Any) -> Any:
    """A copy of a structure in which one value was replaced, taken away, or added."""
    if not isinstance(value, (dict, list)) or not value or random.random() < 0.15:
        return random.choice(VALUES)
    copy: Any = value.copy()
    key = random.choice(list(copy) if isinstance(copy, dict) else range(len(copy)))
    if random.random() < 0.15:
        del copy[key]
    elif isinstance(copy, dict) and random.random() < 0.2:
        copy[random.choice(HEADERS)] = random.choice(VALUES)
    else:
        copy[key] = mutated(random, copy[key])
    return copy


def message(random: Random, good: dict[str, Any], encode: Callable[[Any], str]) -> bytes:
    """What may be in a queue: a message of kombu's with something odd in it, or no message at all."""
    kind = random.random()
    if kind < 0.1:
        junk = (b"", b"x", b"\xff\xfe", b"{", b"null", b"[1]", b"[" * 5000, b'"text"', b"5", b'{"body": 1}')
        return random.choice(junk)
    frame = dict(good)
    if kind < 0.4:
        frame["body"] = encode(mutated(random, good["body"]))
    else:
        body = frame.pop("body")
        frame = mutated(random, frame)
        if isinstance(frame, dict):
            frame.setdefault("body", encode(body))
    return json.dumps(frame).encode()
