"""What live workers and the leader tell each other: the workers' tasks, and the modules of the last good file."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable

from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.records import loads, read_or


def report(client: Client, keys: Keys, worker: str, tasks: Iterable[str], seconds: float) -> tuple[str, ...] | None:
    """Store which tasks a worker has, for so many seconds; returns what ``last_good_imports`` does."""
    now, names = time.time(), json.dumps(sorted(tasks))
    with client.pipeline(transaction=False) as pipe:
        pipe.set(keys.worker(worker), names, px=max(int(seconds * 1000), 1))
        pipe.zadd(keys.workers, {worker: now + seconds})
        pipe.zremrangebyscore(keys.workers, "-inf", now - seconds)
        pipe.pexpire(keys.workers, max(int(seconds * 2000), 1))
        pipe.hget(keys.file, "imports")
        return names_in(pipe.execute()[-1])


def reported_tasks(client: Client, keys: Keys) -> frozenset[str]:
    """The tasks that any live worker has."""
    workers = client.zrange(keys.workers, 0, -1)
    lists = client.mget(map(keys.worker, workers)) if workers else []
    return frozenset(name for text in lists for name in names_in(text) or ())


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
