"""Which entries were changed since a reader looked last, for readers that keep something of each."""

from __future__ import annotations

from typing import NamedTuple

from scheduler.storage.client import Client
from scheduler.storage.keys import Keys


class Position(NamedTuple):
    """How far a reader has read."""

    revision: int  #: the counter of changes
    total: int  #: stored schedules; other programs add and remove some without the counter


def position(client: Client, keys: Keys) -> Position:
    """Where a reader is that now reads every entry."""
    with client.pipeline(transaction=False) as pipe:
        pipe.get(keys.revision)
        pipe.zcard(keys.schedule)
        revision, total = pipe.execute()
    return Position(int(revision or 0), total)


def revised_since(client: Client, keys: Keys, revision: int) -> set[str] | None:
    """The names that were changed or removed after this revision; None if that is too long ago to know."""
    with client.pipeline(transaction=False) as pipe:
        pipe.zrange(keys.revised, 0, 0, withscores=True)
        pipe.zrangebyscore(keys.revised, f"({revision}", "+inf")
        oldest, names = pipe.execute()
    if oldest and oldest[0][1] > revision:  # what was changed before that may have been dropped
        return None
    return set(names)
