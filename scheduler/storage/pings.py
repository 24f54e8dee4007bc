"""The outbox of pings, which ``_pings.lua`` fills, and the schedules whose pings do not arrive."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.records import loads, mapping, read_or

FAILED_TTL_S = 86_400


class Failed(NamedTuple):
    """Pings do not arrive."""

    since: float  #: epoch seconds
    error: str


def waiting(client: Client, keys: Keys, limit: int) -> list[str]:
    """The oldest pings."""
    texts: list[str] = client.lrange(keys.pings, 0, limit - 1)
    return texts


def settle(client: Client, keys: Keys, text: str) -> None:
    """Take a ping out that was sent or given up."""
    if text:
        client.lrem(keys.pings, 1, text)


def note_failure(client: Client, keys: Keys, name: str, error: str) -> None:
    """Pings of this schedule do not arrive since now."""
    with client.pipeline() as pipe:
        pipe.hset(keys.failed_pings, name, json.dumps({"since": time.time(), "error": error}))
        pipe.expire(keys.failed_pings, FAILED_TTL_S)
        pipe.execute()


def note_success(client: Client, keys: Keys, name: str) -> None:
    """Pings of this schedule arrive again."""
    client.hdel(keys.failed_pings, name)


def failed(client: Client, keys: Keys) -> dict[str, Failed]:
    """The schedules whose pings do not arrive."""
    stored: Mapping[str, str] = client.hgetall(keys.failed_pings)
    read = {name: read_or(None, read_failure, text) for name, text in stored.items()}
    return {name: failure for name, failure in read.items() if failure}


def read_failure(text: str) -> Failed:
    """Raises ValueError or TypeError."""
    body: dict[str, Any] = mapping(loads(text))
    return Failed(float(body.get("since", 0)), str(body.get("error", "")))
