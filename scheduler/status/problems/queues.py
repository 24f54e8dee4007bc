"""Runs that wait in a queue for too long, or in one that no worker takes from."""

from __future__ import annotations

from collections.abc import Iterator

from scheduler.model.accounts import start_worker
from scheduler.status.problems.facts import Facts
from scheduler.status.problems.problem import ServiceProblem
from scheduler.status.unstarted import PRIORITY, UNTAKEN_S

OLD_S = 300.0  #: seconds for which a run may wait
MAX_NAMED = 10  #: schedules of a queue


def look(facts: Facts) -> Iterator[ServiceProblem]:
    """Look at the oldest run of each queue. Without a worker all of them wait, which is said already."""
    if not facts.live_workers:
        return
    late = {it.queue for it in facts.unstarted.schedules if it.is_served}
    for key, since, waiting in facts.queues:
        queue, age = key.partition(PRIORITY)[0], facts.now - since
        runs = "a run waits" if waiting == 1 else f"{waiting} runs wait"
        if queue not in facts.taken_queues and age > UNTAKEN_S:
            remedy = start_worker(queue)
            sentence = f"No worker takes from queue '{queue}', where {runs}{stuck(facts, queue)}"
            yield ServiceProblem(sentence, remedy, subject=queue, since=since)
        elif age > OLD_S and queue not in late:  # otherwise the schedules that are late say it
            remedy = "start more workers, or find what keeps them busy"
            yield ServiceProblem(f"In queue '{queue}', {runs} too long", remedy, subject=queue, since=since)


def stuck(facts: Facts, queue: str) -> str:
    """Name the schedules that are stuck in this queue, the one that waits longest first; empty if none is stored."""
    names = [it.name for it in facts.unstarted.schedules if it.queue == queue]
    if not names:
        return ""
    more = [f"{len(names) - MAX_NAMED} more"] if len(names) > MAX_NAMED else []
    return f" (stuck: {', '.join(names[:MAX_NAMED] + more)})"
