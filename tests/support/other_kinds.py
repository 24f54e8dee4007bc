"""Keys that another program writes in the places of ours, with another type of Redis."""

from __future__ import annotations

from scheduler.storage.client import Client
from scheduler.storage.keys import NEWS, NOTICES, Keys
from scheduler.storage.kinds import fixed

KEYS = Keys()
#: The type that each of our keys has.
OUR_KINDS = {key: kind for key, kind in fixed(KEYS).items() if key not in map(KEYS.notice, (*NOTICES, *NEWS))}
OUR_KINDS[KEYS.sent("celery")] = "zset"


def replace(client: Client, key: str) -> None:
    """Put a key of another kind there."""
    with client.pipeline() as pipe:
        pipe.delete(key)
        if OUR_KINDS[key] == "list":
            pipe.set(key, "another program's")
        else:
            pipe.rpush(key, "another program's")
        pipe.execute()
