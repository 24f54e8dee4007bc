"""The queues of the broker, where it is this Redis: when a worker took from each last, and how many messages wait."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from scheduler.storage.client import Client
from scheduler.storage.keys import Keys

MAX_KNOWN = 200  #: queues that are remembered, those that a worker took from last
KEPT_S = 30 * 86_400  #: after the last report of any worker
PRIORITY = "\x06\x16"  #: kombu's mark between the name of a queue and a priority
PRIORITIES = ("", *(f"{PRIORITY}{step}" for step in (3, 6, 9)))  #: a queue has a list for each of kombu's steps


def note_taken(pipe: Client, keys: Keys, queues: Sequence[str], now: float) -> None:
    """Remember that a worker takes from these queues at ``now``, in epoch seconds, also when it has left."""
    if queues:
        pipe.zadd(keys.taken, dict.fromkeys(queues[:MAX_KNOWN], now))
        pipe.zremrangebyrank(keys.taken, 0, -MAX_KNOWN - 1)
        pipe.expire(keys.taken, KEPT_S)


def last_taken(client: Client, keys: Keys) -> dict[str, float]:
    """When a worker said last that it takes from a queue, in epoch seconds, by queue."""
    return dict(client.zrange(keys.taken, 0, MAX_KNOWN - 1, withscores=True))


def messages(client: Client, queues: Iterable[str]) -> dict[str, int]:
    """How many messages wait in each of these queues, of all priorities; 0 where Redis does not tell."""
    names = list(queues)
    with client.pipeline(transaction=False) as pipe:
        for name in names:
            for priority in PRIORITIES:
                pipe.llen(f"{name}{priority}")
        answers = pipe.execute(raise_on_error=False) if names else []
    lengths = [length if isinstance(length, int) else 0 for length in answers]
    step = len(PRIORITIES)
    return {name: sum(lengths[at * step : (at + 1) * step]) for at, name in enumerate(names)}
