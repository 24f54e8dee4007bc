"""How much falls due when, over all schedules: it takes the longer the more different timings they have."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice, takewhile

from scheduler.model import Entry
from scheduler.status.catalogue import View
from scheduler.status.read_model import due_instants
from scheduler.status.rows import read_job
from scheduler.storage.instants import to_seconds
from scheduler.storage.store import Store

MINUTE_S = 60
OFTEN = timedelta(minutes=5)  #: what runs at least as often is a constant load, and no tick of its own
MAX_TIMINGS = 500  #: different ones that are looked at, those of most schedules first
MAX_INSTANTS = 10_000  #: different ones that are looked at
BUSIEST = 5  #: minutes that are named


@dataclass
class Ahead:
    """What falls due until ``until``; a minute is its begin in epoch seconds."""

    until: datetime
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)  #: the names by what they share, see Kept.timing
    minutes: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))  #: the keys of groups due in it
    often: int = 0  #: schedules that run at least every OFTEN; they are in no minute
    left_out: int = 0  #: schedules beyond MAX_TIMINGS
    is_cut: bool = False  #: whether MAX_INSTANTS ended it before it was asked to end

    def due(self, minute: int) -> int:
        """How many schedules are due in this minute."""
        return sum(len(self.groups[key]) for key in self.minutes.get(minute, ()))

    def names(self, minute: int) -> list[str]:
        """Their names, sorted."""
        return sorted({name for key in self.minutes.get(minute, ()) for name in self.groups[key]})

    def busiest(self, count: int) -> list[tuple[int, int]]:
        """The minutes in which most schedules are due, and how many; only those with more than one."""
        every = Counter({minute: self.due(minute) for minute in self.minutes})
        return [(minute, due) for minute, due in every.most_common(count) if due > 1]


def ahead(store: Store, view: View, names: Iterable[str], after: datetime, until: datetime) -> Ahead:
    """What of these schedules falls due in ``(after, until]``, spread by its jitter."""
    coming = Ahead(until)
    coming.groups = groups(view, names)
    looked_at = sorted(coming.groups, key=lambda key: len(coming.groups[key]), reverse=True)[:MAX_TIMINGS]
    coming.left_out = sum(map(len, coming.groups.values())) - sum(len(coming.groups[key]) for key in looked_at)
    samples = {coming.groups[key][0]: key for key in looked_at}
    streams = []
    for entry in store.read(samples):
        key, instants = samples[entry.name], sent(entry, after)
        first = tuple(islice(instants, 2))
        if len(first) == 2 and first[1] - first[0] <= OFTEN:
            coming.often += len(coming.groups[key])
        else:
            streams.append(keyed(key, first, instants))
    every = list(islice(takewhile(lambda it: it[0] <= until, merge(*streams)), MAX_INSTANTS))
    for at, key in every:
        coming.minutes[int(to_seconds(at) // MINUTE_S) * MINUTE_S].append(key)
    if len(every) == MAX_INSTANTS:
        coming.until, coming.is_cut = every[-1][0], True
    return coming


def groups(view: View, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Those of these schedules that run, by what decides when."""
    now, made = time.time(), defaultdict(list)
    for name in names:
        kept = view.kept[name]
        if kept.timing and not kept.is_quarantined and not kept.is_off(now):
            made[kept.timing].append(name)
    return {key: tuple(its) for key, its in made.items()}


def sent(entry: Entry, after: datetime) -> Iterator[datetime]:
    """When the due instants of an entry after this one will be sent."""
    job, _ = read_job(entry)
    return (job.timing.send_at(at) for at in due_instants(entry, after)) if job else iter(())


def keyed(key: str, first: Sequence[datetime], rest: Iterator[datetime]) -> Iterator[tuple[datetime, str]]:
    yield from ((at, key) for at in first)
    yield from ((at, key) for at in rest)
