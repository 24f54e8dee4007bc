"""Queues where something waits for too long, or that no worker takes from."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from scheduler.model.accounts import start_worker
from scheduler.status.catalogue import FIELDS, read
from scheduler.status.problems.facts import Facts
from scheduler.status.problems.problem import ServiceProblem
from scheduler.status.unstarted import UNTAKEN_S
from scheduler.storage.queues import PRIORITY

OLD_S = 300.0  #: seconds for which a run may wait
MAX_NAMED = 10  #: schedules of a queue; queues that are named because schedules use them
MAX_LOOKED_AT = 20  #: queues whose schedules are read, to find those
START_S = 60.0  #: after a beat began to lead, the workers may still be starting


def look(facts: Facts) -> Iterator[ServiceProblem]:
    """Look at the oldest run of each queue, then at queues without one. Without any worker, that is said already."""
    if not facts.live_workers:
        return
    said = set()
    late = {it.queue for it in facts.unstarted.schedules if it.is_served}
    for key, since, waiting in facts.queues:
        queue, age = key.partition(PRIORITY)[0], facts.now - since
        runs = "a run waits" if waiting == 1 else f"{waiting} runs wait"
        if queue not in facts.taken_queues and age > UNTAKEN_S:
            said.add(queue)
            yield untaken(queue, since, f", where {runs}{stuck(facts, queue)}")
        elif age > OLD_S and queue not in late:  # otherwise the schedules that are late say it
            remedy = "start more workers, or find what keeps them busy"
            yield ServiceProblem(f"In queue '{queue}', {runs} too long", remedy, subject=queue, since=since)
    yield from without_runs(facts, [queue for queue in facts.untaken if queue not in said])


def untaken(queue: str, since: float | None, more: str) -> ServiceProblem:
    """A queue without a worker. It is one problem with one subject, whatever there is ``more`` to say of it."""
    sentence = f"No worker takes from queue '{queue}'{more}"
    return ServiceProblem(sentence, start_worker(queue), subject=queue, since=since)


def without_runs(facts: Facts, queues: list[str]) -> Iterator[ServiceProblem]:
    """Those of these queues without a worker where messages wait, then those that schedules will send to.

    For the latter nothing is urgent: after a start, the workers get a minute to come.
    """
    for queue in queues:
        if calls := facts.untaken_calls.get(queue):
            waits = "a message waits" if calls == 1 else f"{calls} messages wait"
            yield untaken(queue, facts.untaken[queue] or None, f", where {waits}")
    if facts.leader and facts.now - facts.leader.since < START_S:
        return
    unused = [it for it in queues if it in facts.users_of_queues and not facts.untaken_calls.get(it)]
    used = ((queue, users) for queue in unused[:MAX_LOOKED_AT] if (users := used_by(facts, queue)))
    for queue, users in islice(used, MAX_NAMED):
        yield untaken(queue, facts.untaken[queue] or None, f", {users}")


def used_by(facts: Facts, queue: str) -> str:
    """Who sends to this queue; empty if those that are stored by name are gone, off, paused, or have no due instant."""
    number, names = facts.users_of_queues[queue]
    active = [name for name, stored in facts.store.raw(names) if sends(name, stored, queue, facts.now)]
    if not active:
        return ""
    number = len(active) if number <= len(names) else number
    first = f"schedule '{active[0]}' uses" if number == 1 else f"{number} schedules use, such as '{active[0]}'"
    return f"which {first}"


def sends(name: str, stored: dict[str, str], queue: str, now: float) -> bool:
    """Whether a schedule with this hash is going to send to this queue."""
    kept = read(name, {field: stored.get(field, "") for field in FIELDS}, {})
    goes_on = stored.get("due") and not kept.is_quarantined and not kept.is_off(now)
    return bool(goes_on) and kept.queue in ("", queue)


def stuck(facts: Facts, queue: str) -> str:
    """Name the schedules that are stuck in this queue, the one that waits longest first; empty if none is stored."""
    names = [it.name for it in facts.unstarted.schedules if it.queue == queue]
    if not names:
        return ""
    more = [f"{len(names) - MAX_NAMED} more"] if len(names) > MAX_NAMED else []
    return f" (stuck: {', '.join(names[:MAX_NAMED] + more)})"
