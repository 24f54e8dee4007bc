"""The health of schedules, from the index that is written in the same steps as the ledger. See ``_health.lua``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import NamedTuple

from scheduler.storage.client import Client, script
from scheduler.storage.keys import Keys
from scheduler.storage.kinds import escaped

INDEX_VERSION = "1"  #: of what Lua writes; a leader that meets another one rebuilds
REBUILD_INTERVAL_S = 3600  #: for so long the index may miss what an older release, which keeps none, wrote
NAMES_PER_STEP = 10  #: ledgers that one step of the rebuild reads, which holds up Redis for some ms


@dataclass(frozen=True)
class Failing:
    """A schedule whose newest ended due instants failed or were lost."""

    name: str
    since: float  #: epoch seconds: when the first of them ended
    count: int  #: how many in a row


class AllFailing(NamedTuple):
    """How many schedules are failing, and those that have failed longest."""

    total: int
    worst: list[Failing]


def failing(client: Client, keys: Keys, limit: int | None = None) -> AllFailing:
    """The failing schedules, the one that has failed longest first; ``limit``, at least 1, bounds ``worst`` only.

    Takes two round trips, however many schedules there are.
    """
    with client.pipeline(transaction=False) as pipe:
        pipe.zcard(keys.failing)
        pipe.zrange(keys.failing, 0, -1 if limit is None else limit - 1, withscores=True)
        total, since = pipe.execute()
        for name, _ in since:
            pipe.hget(keys.ledger(name), ":health")
        counts = [read_count(text) for text in pipe.execute()]
    return AllFailing(total, [Failing(name, at, count) for (name, at), count in zip(since, counts, strict=True)])


def read_count(health: str | None) -> int:
    """How many failed in a row; at least 1, also where the ledger has expired since."""
    last = (health or "").rpartition(" ")[2]
    return max(1, int(last)) if last.isdecimal() else 1


def rebuild(client: Client, keys: Keys) -> int:
    """Work out the health of every schedule from its ledger again, while the service runs; returns how many.

    A schedule that is in the index and has no ledger leaves it.
    """
    recount, done = script(client, "recount"), 0
    names = chain(_with_ledger(client, keys), client.zrange(keys.failing, 0, -1))
    while step := list(islice(names, NAMES_PER_STEP)):
        recount(args=[keys.prefix, *step])
        done += len(step)
    client.set(keys.indexed, INDEX_VERSION, ex=REBUILD_INTERVAL_S)
    return done


def _with_ledger(client: Client, keys: Keys) -> Iterator[str]:
    begin = keys.ledger("")
    for key in client.scan_iter(match=f"{escaped(begin)}*", count=1000, _type="hash"):
        yield key.removeprefix(begin)


def rebuild_if_old(client: Client, keys: Keys) -> bool:
    """Rebuild if the last time was REBUILD_INTERVAL_S ago, or by another version; returns whether it did."""
    version: str | None = client.get(keys.indexed)
    if version == INDEX_VERSION:
        return False
    rebuild(client, keys)
    return True
