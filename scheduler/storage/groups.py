"""Groups of schedules that may not all run at once; see ``_held.lua``."""

from __future__ import annotations

from typing import NamedTuple

from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.records import loads, mapping, read_or
from scheduler.storage.scripts import script

MAX_READ = 1000  #: runs that are read of those that wait in a group


class Group(NamedTuple):
    """A group, the runs that have a place in it, and those that wait for one, by since when (epoch seconds)."""

    name: str
    places: int
    running: tuple[str, ...]
    waiting: dict[str, float]


def declared(client: Client, keys: Keys) -> dict[str, int]:
    """How many places each group of the schedule file has."""
    return read_or({}, places, client.hget(keys.file, "groups"))


def places(text: str | None) -> dict[str, int]:
    """Raises ValueError or TypeError."""
    return {str(name): int(count) for name, count in mapping(loads(text or "{}")).items()}


def groups(client: Client, keys: Keys) -> tuple[Group, ...]:
    """Every group of the schedule file, by name."""
    known = sorted(declared(client, keys).items())
    with client.pipeline(transaction=False) as pipe:
        for name, _ in known:
            pipe.zrange(keys.group(name), 0, MAX_READ - 1)
            pipe.zrange(keys.group_queue(name), 0, MAX_READ - 1, withscores=True)
        answers = pipe.execute(raise_on_error=False) if known else []
    return tuple(
        Group(name, count, tuple(running), dict(waiting))
        for (name, count), running, waiting in zip(known, answers[::2], answers[1::2], strict=True)
        if isinstance(running, list) and isinstance(waiting, list)
    )


def look_after(client: Client, keys: Keys, token: str) -> bool:
    """Free places of runs that are over, and fill those that are free; False when the lock is another beat's."""
    names = declared(client, keys)
    return not names or bool(script(client, "groups")(keys=[keys.lock], args=[token, keys.prefix, *names]))
