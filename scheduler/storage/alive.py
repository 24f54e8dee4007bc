"""What each worker reports of itself while it lives: when, how often, and the queues that it takes from."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass

from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.records import loads, mapping, read_or, seconds

GRACE_S = 4.0  #: seconds that a report may come later than promised, as on a busy machine
KEPT_S = 3600.0  #: a worker that ended without a word is named for so long


@dataclass(frozen=True)
class Worker:
    """A worker as it reported itself last; ``seen`` is in epoch seconds."""

    name: str
    seen: float
    every: float  #: seconds between two reports
    queues: tuple[str, ...]

    def is_silent(self, now: float) -> bool:
        """Whether its next report is overdue: it hangs, was killed, or cannot reach Redis."""
        return now - self.seen > self.every + GRACE_S


def report(client: Client, keys: Keys, worker: str, queues: Iterable[str], every: float) -> None:
    """Store that this worker lives, and when to expect its next report."""
    with client.pipeline(transaction=False) as pipe:
        pipe.hset(keys.alive, worker, json.dumps({"seen": time.time(), "every": every, "queues": sorted(queues)}))
        pipe.expire(keys.alive, int(KEPT_S)).execute()


def leave(client: Client, keys: Keys, worker: str) -> None:
    """Store that this worker ends as it should."""
    client.hdel(keys.alive, worker)


def workers(client: Client, keys: Keys) -> tuple[Worker, ...]:
    """Every worker that was heard of within KEPT_S and did not leave, by name."""
    reports: dict[str, str] = client.hgetall(keys.alive)
    found = (read_or(None, read, item) for item in sorted(reports.items()))
    return tuple(worker for worker in found if worker and time.time() - worker.seen < KEPT_S)


def read(item: tuple[str, str]) -> Worker:
    """A worker from its name and report; raises ValueError or TypeError."""
    name, body = item[0], mapping(loads(item[1]))
    queues = tuple(map(str, body.get("queues") or ()))
    return Worker(name, seconds(body.get("seen")), float(body.get("every") or 0), queues)
