"""What needs a person about a Redis that answers: it accepts no writes, or its memory fills."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import redis

from scheduler.settings import Settings
from scheduler.storage.client import Client, refusal_of_writes
from scheduler.storage.keys import Keys
from scheduler.storage.refusals import meaning_and_remedy

FILLING = 0.8  #: share of its memory limit from which Redis is a problem; a full one refuses every write
MB = 1e6


@dataclass(frozen=True)
class RedisState:
    """Each part is empty, or a problem and its remedy."""

    refusal: tuple[str, ...] = ()  #: accepts no writes, so beat waits and nothing is sent
    filling: tuple[str, ...] = ()

    @property
    def problems(self) -> list[str]:
        """Each problem in a line with its remedy."""
        return [": ".join(one) for one in (self.refusal, self.filling) if one]


SOUND = RedisState()


def redis_state(client: Client, keys: Keys, settings: Settings) -> RedisState:
    """Ask Redis with one write and one INFO."""
    error = refusal_of_writes(client, keys)
    if error is not None:
        return RedisState(refusal=meaning_and_remedy(error, settings))
    try:
        return RedisState(filling=filling(client.info("memory"), settings))
    except redis.exceptions.NoPermissionError:
        return SOUND


def filling(memory: Mapping[str, Any], settings: Settings) -> tuple[str, ...]:
    """Whether Redis is near its maxmemory, or without one near the memory of its machine."""
    limit = memory.get("maxmemory") or memory.get("total_system_memory") or 0
    used = memory["used_memory"] - memory.get("mem_not_counted_for_evict", 0)
    if not limit or used <= FILLING * limit:
        return ()
    what = "maxmemory" if memory.get("maxmemory") else "machine's memory"
    cure = "raise it" if memory.get("maxmemory") else "give it more memory"
    return (
        f"Redis at {settings.shown_redis_url} has used {used / limit:.0%} of its {what} "
        f"({used / MB:.0f} of {limit / MB:.0f} MB), and nothing runs once it is full",
        f'{cure}, or keep less in it: see "Memory of Redis" in docs/operations.md',
    )
