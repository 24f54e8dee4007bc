"""Since when the leader sees each problem of the service, for those that do not know it themselves."""

from __future__ import annotations

from collections.abc import Set
from contextlib import suppress

from scheduler.storage.client import Client
from scheduler.storage.keys import Keys

TTL_S = 7 * 86_400  #: after so long without a leader, nothing is known any more


def first_seen(client: Client, keys: Keys) -> dict[str, float]:
    """When each problem was seen first, in epoch seconds, by what the leader noted it under."""
    seen: dict[str, float] = {}
    for problem, at in client.hgetall(keys.problems).items():
        with suppress(ValueError):
            seen[problem] = float(at)
    return seen


def note(client: Client, keys: Keys, there: Set[str], now: float) -> None:
    """Keep when each problem that is ``there`` was seen first: ``now``, in epoch seconds, for a new one; forget others.

    Only the leader calls it.
    """
    seen = first_seen(client, keys).keys()
    with client.pipeline() as pipe:
        for problem in sorted(there ^ seen):
            if problem in there:
                pipe.hset(keys.problems, problem, str(now))
            else:
                pipe.hdel(keys.problems, problem)
        if there:
            pipe.expire(keys.problems, TTL_S)
        pipe.execute()
