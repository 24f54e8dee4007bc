"""Tasks that schedules send and that workers of their queue do not have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from scheduler.storage.uses import BETWEEN, Users
from scheduler.storage.workers import Worker


class Lacking(NamedTuple):
    """A task that some workers of a queue lack, or all."""

    task: str
    queue: str
    users: Users
    lack: tuple[Worker, ...]
    is_nowhere: bool  #: whether no worker of the queue has it


def lacking(used: Mapping[str, Users], workers: Iterable[Worker]) -> tuple[Lacking, ...]:
    """What these live workers lack of the tasks that are ``used``, each a queue and a task.

    A queue without a worker is another problem. A worker that reports no tasks is of a release that did not. One that
    drains takes no message any more, so it need not have what is new: a queue with no other worker is no problem yet.
    """
    by_queue: dict[str, list[tuple[Worker, frozenset[str]]]] = {}
    for worker in workers:
        known = frozenset(worker.tasks)
        for queue in worker.queues if known and not worker.is_draining else ():
            by_queue.setdefault(queue, []).append((worker, known))
    made = []
    for pair, users in used.items():
        queue, _, task = pair.rpartition(BETWEEN)
        theirs = by_queue.get(queue, ())
        if lack := tuple(worker for worker, known in theirs if task not in known):
            made.append(Lacking(task, queue, users, lack, len(lack) == len(theirs)))
    return tuple(made)
