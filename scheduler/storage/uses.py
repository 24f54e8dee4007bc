"""Which queues and tasks the schedules of the last good schedule file use, as its leader stored it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

from scheduler.storage.queues import MAX_KNOWN
from scheduler.storage.records import loads, mapping, read_or, whole

MAX_NAMES = 10  #: schedules of a queue that are stored by name
MAX_TASKS = 500  #: pairs of queue and task that are stored, each with fewer names, because there are more of them
MAX_NAMES_OF_TASK = 3
BETWEEN = "\n"  #: queue and task


class Users(NamedTuple):
    """The schedules that use a queue, or a task in a queue."""

    number: int
    names: tuple[str, ...]  #: of the first ones


def queues_as_json(used: Iterable[tuple[str, str, str]]) -> str:
    """What is stored of the queues of schedules, each with its queue and its task: MAX_KNOWN queues at most."""
    return as_json(((name, queue) for name, queue, _ in used), MAX_KNOWN, MAX_NAMES)


def tasks_as_json(used: Iterable[tuple[str, str, str]]) -> str:
    """The same of the tasks in each queue: MAX_TASKS at most."""
    pairs = ((name, f"{queue}{BETWEEN}{task}") for name, queue, task in used)
    return as_json(pairs, MAX_TASKS, MAX_NAMES_OF_TASK)


def as_json(pairs: Iterable[tuple[str, str]], most: int, most_names: int) -> str:
    users: dict[str, Users] = {}
    for name, what in pairs:
        before = users.get(what, Users(0, ()))
        if before.number or len(users) < most:
            names = before.names if before.number >= most_names else (*before.names, name)
            users[what] = Users(before.number + 1, names)
    return json.dumps(users)


def from_json(text: str) -> dict[str, Users]:
    """The users of each; none where they cannot be read."""
    return read_or({}, read, text) if text else {}


def read(text: str) -> dict[str, Users]:
    """Raises ValueError or TypeError."""
    stored = mapping(loads(text)).items()
    return {what: Users(whole(number), tuple(map(str, names))) for what, (number, names) in stored}
