"""Manual runs that wait for their time, as `run --at` keeps them."""

from __future__ import annotations

from typing import NamedTuple

from scheduler.model import read_run_id
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.records import read_or


class Waiting(NamedTuple):
    """One of them; ``at`` is in epoch seconds."""

    id: str
    schedule: str
    at: float


def waiting(client: Client, keys: Keys) -> tuple[Waiting, ...]:
    """All of them, the next one first; without what another program wrote there."""
    stored = client.zrange(keys.later, 0, -1, withscores=True)
    return tuple(it for pair in stored if (it := read_or(None, read, pair)) is not None)


def read(stored: tuple[str, float]) -> Waiting:
    """Raises ValueError for what is no run."""
    identity, at = stored
    return Waiting(identity, read_run_id(identity)[0], at)
