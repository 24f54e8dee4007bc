"""What will run when, over all schedules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from heapq import merge
from itertools import takewhile

from scheduler.model import Entry
from scheduler.status.read_model import due_instants


def timeline(stored: Iterable[Entry], after: datetime, until: datetime) -> Iterator[tuple[datetime, str]]:
    """Due instants of all schedules in (after, until] that will be sent, in order of time."""
    return merge(*(named_instants(entry, after, until) for entry in stored))


def named_instants(entry: Entry, after: datetime, until: datetime) -> Iterator[tuple[datetime, str]]:
    """The due instants of an entry in ``(after, until]``, each with the entry's name."""
    return ((at, entry.name) for at in takewhile(lambda at: at <= until, due_instants(entry, after)))
