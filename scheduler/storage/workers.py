"""What workers and the leader tell each other: what each worker is, and the modules of the last good schedule file."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.queues import note_taken
from scheduler.storage.records import loads, mapping, read_or, seconds, text, whole

GRACE_S = 4.0  #: seconds that a report may come later than promised, as on a busy machine
KEPT_S = 3600.0  #: a worker that ended without a word is named for so long


@dataclass(frozen=True)
class Worker:
    """A worker as it reported itself last; ``seen`` is in epoch seconds."""

    name: str
    seen: float
    every: float  #: seconds between two reports
    queues: tuple[str, ...] = ()  #: from which it takes
    tasks: tuple[str, ...] = ()  #: that it has
    slots: int = 0  #: tasks that it can run at once; 0 if it does not report that
    busy: int = 0  #: tasks that it runs
    version: str = ""  #: its release
    started: float = 0.0  #: epoch seconds; 0 if it does not report that
    failed: tuple[str, ...] = ()  #: why it could not import modules of the schedule file
    backlog: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  #: see worker/backlog.py
    is_draining: bool = False  #: it takes nothing more, and ends when what it runs has

    def is_silent(self, now: float) -> bool:
        """Whether its next report is overdue: it hangs, was killed, or cannot reach Redis."""
        return now - self.seen > self.every + GRACE_S


def report(client: Client, keys: Keys, worker: Worker) -> tuple[str, ...] | None:
    """Store what a worker is; returns what ``last_good_imports`` does."""
    with client.pipeline(transaction=False) as pipe:
        pipe.hset(keys.workers, worker.name, json.dumps(asdict(worker)))
        pipe.expire(keys.workers, int(KEPT_S))
        note_taken(pipe, keys, worker.queues, worker.seen)
        pipe.hget(keys.file, "imports")
        return names_in(pipe.execute()[-1])


def leave(client: Client, keys: Keys, worker: str) -> None:
    """Store that this worker ends as it should."""
    client.hdel(keys.workers, worker)


def workers(client: Client, keys: Keys) -> tuple[Worker, ...]:
    """Every worker that was heard of within KEPT_S and did not leave, by name."""
    reports: dict[str, str] = client.hgetall(keys.workers)
    reported = (read_or(None, read, item) for item in sorted(reports.items()))
    return tuple(worker for worker in reported if worker and time.time() - worker.seen < KEPT_S)


def read(item: tuple[str, str]) -> Worker:
    """A worker from its name and report; raises ValueError or TypeError."""
    name, body = item[0], mapping(loads(item[1]))
    queues, tasks, failed = (tuple(map(str, body.get(key) or ())) for key in ("queues", "tasks", "failed"))
    slots, busy = (whole(body.get(key)) for key in ("slots", "busy"))
    version, started = text(body.get("version") or ""), seconds(body.get("started"))
    is_draining = body.get("is_draining") is True
    what = queues, tasks, slots, busy, version, started, failed, backlog_in(body), is_draining
    return Worker(name, seconds(body.get("seen")), float(body.get("every") or 0), *what)


def backlog_in(body: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """How many messages waited in each queue; raises ValueError or TypeError."""
    return {queue: tuple(map(whole, numbers)) for queue, numbers in mapping(body.get("backlog") or {}).items()}


def reported_tasks(client: Client, keys: Keys) -> frozenset[str]:
    """The tasks that any live worker has."""
    now = time.time()
    return frozenset(task for it in workers(client, keys) if not it.is_silent(now) for task in it.tasks)


def last_good_imports(client: Client, keys: Keys) -> tuple[str, ...] | None:
    """The modules that the last good schedule file names; None if no good one was loaded yet."""
    return names_in(client.hget(keys.file, "imports"))


def keep_imports(client: Client, keys: Keys, modules: Iterable[str]) -> None:
    """Store the list for ``last_good_imports``, unless there is one."""
    client.hsetnx(keys.file, "imports", json.dumps([*modules]))


def names_in(text: str | None) -> tuple[str, ...] | None:
    """A stored list of names; None if there is none, or it cannot be read."""
    stored = read_or(None, loads, text)
    return tuple(name for name in stored if isinstance(name, str)) if isinstance(stored, list) else None
