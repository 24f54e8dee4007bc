"""Schedules whose runs do not start, from the oldest runs of each queue and the index of stuck schedules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from scheduler.storage import entries, health
from scheduler.storage.entries import DamagedEntry
from scheduler.storage.groups import Group
from scheduler.storage.store import Store

MAX_READ = 1000  #: runs that are read of each queue, stuck schedules, and schedules whose run waits
UNTAKEN_S = 10.0  #: a worker that starts needs some seconds before it takes from its queues
LATE_S = 300.0  #: seconds for which a run may wait that has neither `late_after` nor `expires`
PRIORITY = "\x06\x16"  #: kombu's mark between the name of a queue and a priority


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
    """Those that have waited longest first. There may be more if a queue has over MAX_READ such runs, or all have."""

    schedules: tuple[Unstarted, ...]
    is_complete: bool


def unstarted(
    store: Store, queues: tuple[str, ...], taken: frozenset[str], now: float, groups: Iterable[Group] = ()
) -> AllUnstarted:
    """What is late or stuck while live workers take from the queues ``taken``; ``now`` is in epoch seconds.

    ``queues`` are the keys of all that runs were sent to.

    Its cost grows with what waits, up to MAX_READ schedules, and not with what is stored.
    """
    oldest, is_complete = waiting(store, queues, now - UNTAKEN_S, groups)
    if len(oldest) > MAX_READ:  # each is read below
        oldest, is_complete = dict(sorted(oldest.items(), key=lambda it: it[1].since)[:MAX_READ]), False
    expired = health.stuck(store.client, store.keys, MAX_READ)
    made = []
    for name, limit in late_after(store, {**oldest, **expired}):
        queue, since, group = oldest.get(name, Waiting("", now))
        is_served = not queue or queue in taken
        if name in expired:
            made.append(Unstarted(name, "stuck", min(since, expired[name]), queue, is_served=is_served))
        elif not is_served:
            made.append(Unstarted(name, "stuck", since, queue, is_served=False))
        elif now - since > limit:
            made.append(Unstarted(name, "late", since, queue, limit, group=group))
    made.sort(key=lambda it: (it.since, it.name))
    return AllUnstarted(tuple(made), is_complete and len(expired) < MAX_READ)


def waiting(
    store: Store, queues: tuple[str, ...], before: float, groups: Iterable[Group]
) -> tuple[dict[str, Waiting], bool]:
    """The oldest run of each schedule that was sent before then, and whether these are all."""
    with store.client.pipeline(transaction=False) as pipe:
        for queue in queues:
            pipe.zrangebyscore(store.keys.sent(queue), "-inf", before, 0, MAX_READ, withscores=True)
        answers = pipe.execute(raise_on_error=False)
    oldest: dict[str, Waiting] = {}
    for key, runs in zip(queues, answers, strict=True):
        for run_id, since in runs if isinstance(runs, list) else ():
            note(oldest, run_id, Waiting(key.partition(PRIORITY)[0], since))
    for group in groups:
        for run_id, since in group.waiting.items():
            if since <= before:
                note(oldest, run_id, Waiting("", since, group.name))
    return oldest, all(not isinstance(runs, list) or len(runs) < MAX_READ for runs in answers)


def note(oldest: dict[str, Waiting], run_id: str, it: Waiting) -> None:
    """Keep it if no other run of its schedule has waited longer."""
    name = run_id.rpartition("@")[0]
    if name not in oldest or it.since < oldest[name].since:
        oldest[name] = it


def late_after(store: Store, names: Iterable[str]) -> Iterator[tuple[str, float]]:
    """For how many seconds a run of each of these schedules may wait; without those that are not stored."""
    for entry in store.read(names):
        try:
            policies = entries.policies(entry)
        except DamagedEntry:
            yield entry.name, LATE_S
        else:
            chosen = policies.late_after or policies.expires
            yield entry.name, chosen.total_seconds() if chosen else LATE_S
