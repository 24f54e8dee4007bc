"""Schedules whose runs do not start, from the oldest runs of each queue and the index of stuck schedules."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from scheduler.storage import entries, health
from scheduler.storage.entries import DamagedEntry
from scheduler.storage.groups import Group
from scheduler.storage.queues import PRIORITY
from scheduler.storage.store import Store

MAX_READ = 1000  #: runs that are read of all queues, stuck schedules, and schedules whose run waits
UNTAKEN_S = 10.0  #: a worker that starts needs some seconds before it takes from its queues
LATE_S = 300.0  #: seconds for which a run may wait that has neither `late_after` nor `expires`


class Waiting(NamedTuple):
    """The run of a schedule that waits longest."""

    queue: str
    since: float  #: epoch seconds
    group: str = ""  #: in which it waits for a place; it is in no queue yet


@dataclass(frozen=True)
class Unstarted:
    """A schedule that is late or stuck."""

    name: str
    state: Literal["late", "stuck"]
    since: float  #: epoch seconds: when its oldest run was sent, or the first due instant that expired
    queue: str = ""  #: that its oldest run waits in; empty if none waits
    late_after: float = 0.0  #: seconds, of one that is late
    is_served: bool = True  #: whether a live worker takes from that queue
    group: str = ""  #: in which its oldest run waits for a place


class AllUnstarted(NamedTuple):
    """Those that have waited longest first. There may be more if over MAX_READ such runs wait."""

    schedules: tuple[Unstarted, ...]
    is_complete: bool


def unstarted(
    store: Store, queues: Mapping[str, int], taken: frozenset[str], now: float, groups: Iterable[Group] = ()
) -> AllUnstarted:
    """What is late or stuck while live workers take from the queues ``taken``; ``now`` is in epoch seconds.

    ``queues`` says how many runs wait in the queue of each key.

    Its cost grows with what waits, up to MAX_READ runs, and not with what is stored.
    """
    oldest, is_complete = waiting(store, queues, now - UNTAKEN_S, groups)
    if len(oldest) > MAX_READ:  # groups have so many
        oldest, is_complete = dict(sorted(oldest.items(), key=lambda it: it[1].since)[:MAX_READ]), False
    expired = health.stuck(store.client, store.keys, MAX_READ)
    unserved = {name for name, it in oldest.items() if it.queue and it.queue not in taken}
    known = store.indexed({**oldest, **expired})
    limits = dict(late_after(store, known - unserved - expired.keys()))
    made = []
    for name in known:
        queue, since, group = oldest.get(name, Waiting("", now))
        if name in expired:
            made.append(Unstarted(name, "stuck", min(since, expired[name]), queue, is_served=name not in unserved))
        elif name in unserved:
            made.append(Unstarted(name, "stuck", since, queue, is_served=False))
        elif now - since > limits.get(name, math.inf):
            made.append(Unstarted(name, "late", since, queue, limits[name], group=group))
    made.sort(key=lambda it: (it.since, it.name))
    return AllUnstarted(tuple(made), is_complete and len(expired) < MAX_READ)


def waiting(
    store: Store, queues: Mapping[str, int], before: float, groups: Iterable[Group]
) -> tuple[dict[str, Waiting], bool]:
    """The oldest run of each schedule that was sent before then, and whether these are all."""
    limit = share(queues.values())
    with store.client.pipeline(transaction=False) as pipe:
        for queue in queues:
            pipe.zrangebyscore(store.keys.sent(queue), "-inf", before, 0, limit, withscores=True)
        answers = pipe.execute(raise_on_error=False)
    oldest: dict[str, Waiting] = {}
    for key, runs in zip(queues, answers, strict=True):
        for run_id, since in runs if isinstance(runs, list) else ():
            note(oldest, run_id, Waiting(key.partition(PRIORITY)[0], since))
    for group in groups:
        for run_id, since in group.waiting.items():
            if since <= before:
                note(oldest, run_id, Waiting("", since, group.name))
    return oldest, all(not isinstance(runs, list) or len(runs) < limit for runs in answers)


def share(waiting: Iterable[int]) -> int:
    """How many runs of each queue to read, so that no long queue hides another: MAX_READ of all, but one of each."""
    left = MAX_READ
    lengths = sorted(waiting)
    for at, length in enumerate(lengths):
        rest = len(lengths) - at
        if length * rest > left:
            return max(1, left // rest)
        left -= length
    return MAX_READ


def note(oldest: dict[str, Waiting], run_id: str, it: Waiting) -> None:
    """Keep it if no other run of its schedule has waited longer."""
    name = run_id.rpartition("@")[0]
    if name not in oldest or it.since < oldest[name].since:
        oldest[name] = it


def late_after(store: Store, names: Iterable[str]) -> Iterator[tuple[str, float]]:
    """For how many seconds a run of each of these schedules may wait; without those that are not stored."""
    for name, stored in store.raw(names):
        try:
            policies = entries.policies_on_waiting(name, stored)
        except DamagedEntry:
            yield name, LATE_S
        else:
            chosen = policies.late_after or policies.expires
            yield name, chosen.total_seconds() if chosen else LATE_S
