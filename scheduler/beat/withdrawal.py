"""Takes back skips that were recorded while the wall clock was ahead, once it is right: these instants come again.

A ledger is looked at once, when its schedule is due, and only until the clock has passed the intervals that it covered
while it was wrong. So setting the clock back costs no look at every schedule.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime

from scheduler.model import Run, run_id
from scheduler.sending.decide import GRACE, Stretches, covered_until
from scheduler.sending.moved_clock import TICK
from scheduler.storage.client import Client
from scheduler.storage.entries import Job
from scheduler.storage.instants import from_seconds, to_seconds
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import read_run
from scheduler.storage.records import loads, mapping
from scheduler.storage.scripts import script


class Withdrawal:
    """One for each term as leader."""

    def __init__(self, client: Client, keys: Keys, token: str) -> None:
        self.client = client
        self.keys = keys
        self.token = token
        self.looked_at: set[str] = set()  #: names of schedules whose ledger is as it should be
        self._withdraw = script(client, "withdraw")

    def begin(self) -> None:
        """The clock was set back: look at every ledger again."""
        self.looked_at.clear()

    def look(self, name: str, job: Job, due: datetime | None, covered: Stretches) -> None:
        """Take back the skips of instants from ``due`` on that are not covered: none of them has been decided."""
        if due is None or name in self.looked_at or not covered or due > max(last for _, last in covered):
            return
        ledger = self.keys.ledger(name)
        stored = {key: text for key, text in self.client.hgetall(ledger).items() if not key.startswith(":")}
        rows = {key: read_run(key, text, name) for key, text in stored.items()}
        for key, row in rows.items():
            if row.outcome == "skipped" and row.until >= to_seconds(due):
                others = {other.id: other.due for other in rows.values() if other.id != key}
                # What ran while the clock was ahead has a row of its own.
                kept = (at for at in decided(row, job, due, covered) if run_id(name, at) not in others)
                left = part(row, stored[key], kept)
                last = left[0] or max(others, key=lambda other: others[other], default="")
                arguments = [self.token, key, stored[key], *left, last, self.keys.prefix]
                self._withdraw(keys=[self.keys.lock, ledger], args=arguments)
        self.looked_at.add(name)


def part(row: Run, text: str, kept: Iterable[datetime]) -> tuple[str, str]:
    """The id and the record of a row of these instants only; twice nothing for none."""
    first, last, count = None, None, 0
    for at in kept:
        first, last, count = first or at, at, count + 1
    if first is None or last is None:
        return "", ""
    fields = {"due": repr(to_seconds(first)), "until": repr(to_seconds(last)), "count": str(count)}
    return run_id(row.schedule, first), json.dumps(mapping(loads(text)) | fields)


def decided(row: Run, job: Job, due: datetime, covered: Stretches) -> Iterator[datetime]:
    """The instants of a stretch that are before ``due``, or covered; the others are passed over in one step."""
    at, end = from_seconds(row.due), from_seconds(row.until)
    earlier = job.policies.catch_up_window if job.policies.catch_up == "all" else GRACE
    while at <= end:
        if at < due or covered_until(at, job, covered):
            yield at
            following = job.timing.next_due(at)
        else:
            begins = min((first - earlier for first, _ in covered if first - earlier > at), default=None)
            following = None if begins is None else job.timing.next_due(begins - TICK)
        if following is None:
            return
        at = following
