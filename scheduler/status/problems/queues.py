"""Queues where something waits for too long, or that no worker takes from."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from scheduler.model.accounts import start_worker
from scheduler.status.growing import growing
from scheduler.status.problems.facts import Facts
from scheduler.status.problems.problem import ServiceProblem
from scheduler.status.problems.users import used_by
from scheduler.status.unstarted import UNTAKEN_S

OLD_S = 300.0  #: seconds for which a run may wait
MAX_NAMED = 10  #: schedules of a queue; queues that are named because schedules use them
MAX_LOOKED_AT = 20  #: queues whose schedules are read, to find those
BUSY = "start more workers, or find what keeps them busy"
START_S = 60.0  #: after a beat began to lead, the workers may still be starting


def look(facts: Facts) -> Iterator[ServiceProblem]:
    """Look at the oldest run of each queue, then at growth, then at queues without a worker.

    That there is no worker at all is said already.
    """
    if not facts.live_workers:
        return
    said = set()
    late = {it.queue for it in facts.unstarted.schedules if it.is_served}
    for queue, since, waiting in facts.waiting_by_queue.values():
        age = facts.now - since
        runs = "a run waits" if waiting == 1 else f"{waiting} runs wait"
        if queue not in facts.taken_queues and age > UNTAKEN_S:
            said.add(queue)
            yield untaken(queue, left(facts, queue, since), f", where {runs}{stuck(facts, queue)}")
        elif age > OLD_S and queue not in late:  # otherwise the schedules that are late say it
            yield ServiceProblem(f"In queue '{queue}', {runs} too long", BUSY, subject=queue, since=since)
            said.add(queue)
    yield from grown(facts, said | late)
    yield from without_runs(facts, [queue for queue in facts.untaken if queue not in said])


def left(facts: Facts, queue: str, oldest: float) -> float:
    """When its last worker left. If it never had one: when the first run came, which may have expired meanwhile."""
    first = min([oldest, *(it.since for it in facts.unstarted.schedules if it.queue == queue)])
    return facts.untaken.get(queue) or first


def untaken(queue: str, since: float | None, more: str) -> ServiceProblem:
    """A queue without a worker. It is one problem with one subject, whatever there is ``more`` to say of it."""
    sentence = f"No worker takes from queue '{queue}'{more}"
    return ServiceProblem(sentence, start_worker(queue), subject=queue, since=since)


def grown(facts: Facts, named: set[str]) -> Iterator[ServiceProblem]:
    """The queues that only grow, such as with plain calls, but those that are ``named`` for what waits there."""
    for queue, growth in growing(facts.live_workers).items():
        if queue not in named:
            wait = f"{growth.now} messages wait, {growth.before} half an hour ago"
            yield ServiceProblem(f"Queue '{queue}' keeps growing: {wait}", BUSY, subject=queue, part="growing")


def without_runs(facts: Facts, queues: list[str]) -> Iterator[ServiceProblem]:
    """Those of these queues without a worker where messages wait, then those that schedules will send to.

    For the latter nothing is urgent: after a start, the workers get a minute to come.
    """
    for queue in queues:
        if calls := facts.untaken_messages.get(queue):
            waits = "a message waits" if calls == 1 else f"{calls} messages wait"
            yield untaken(queue, facts.untaken[queue] or None, f", where {waits}")
    if facts.leader and facts.now - facts.leader.since < START_S:
        return
    unused = [it for it in queues if it in facts.users_of_queues and not facts.untaken_messages.get(it)]
    used = ((it, who) for it in unused[:MAX_LOOKED_AT] if (who := used_by(facts, facts.users_of_queues[it], it)))
    for queue, who in islice(used, MAX_NAMED):
        yield untaken(queue, facts.untaken[queue] or None, f", {who}")


def stuck(facts: Facts, queue: str) -> str:
    """Name the schedules that are stuck in this queue, the one that waits longest first; empty if none is stored."""
    names = [it.name for it in facts.unstarted.schedules if it.queue == queue]
    if not names:
        return ""
    more = [f"{len(names) - MAX_NAMED} more"] if len(names) > MAX_NAMED else []
    return f" (stuck: {', '.join(names[:MAX_NAMED] + more)})"
