"""Which queues the schedules of the last good schedule file send to, as its leader stored it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

from scheduler.storage.queues import MAX_KNOWN
from scheduler.storage.records import loads, mapping, read_or, whole

MAX_NAMES = 10  #: schedules of a queue that are stored by name


class Users(NamedTuple):
    """The schedules that send to a queue."""

    number: int
    names: tuple[str, ...]  #: of the first MAX_NAMES


def as_json(pairs: Iterable[tuple[str, str]]) -> str:
    """What is stored of schedules, each with its queue: MAX_KNOWN queues at most."""
    users: dict[str, Users] = {}
    for name, queue in pairs:
        before = users.get(queue, Users(0, ()))
        if before.number or len(users) < MAX_KNOWN:
            names = before.names if before.number >= MAX_NAMES else (*before.names, name)
            users[queue] = Users(before.number + 1, names)
    return json.dumps(users)


def from_json(text: str) -> dict[str, Users]:
    """The users by queue; none where they cannot be read."""
    return read_or({}, read, text) if text else {}


def read(text: str) -> dict[str, Users]:
    """Raises ValueError or TypeError."""
    stored = mapping(loads(text)).items()
    return {queue: Users(whole(number), tuple(map(str, names))) for queue, (number, names) in stored}
