"""The application's time zone, which RedBeat's crontabs mean: when it changes, what is stored follows it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from scheduler.beat.adopt import first_due
from scheduler.beat.lease import Lease
from scheduler.beat.sender import MAX_BATCH
from scheduler.model import Entry
from scheduler.storage.entries import DamagedEntry
from scheduler.storage.instants import from_seconds
from scheduler.storage.store import Store, Write


def follow_zone(store: Store, zone: str, lease: Lease) -> None:
    """Let every entry mean this zone, and remember that they do; raises Conflict, and then the rest follows later."""
    if store.client.hget(store.keys.file, "zone") == zone:
        return
    writes = planned(store, zone)
    for start in range(0, len(writes), MAX_BATCH):
        store.write(writes[start : start + MAX_BATCH], token=lease.token)
        lease.progress()
    store.note_file({"zone": zone})


def planned(store: Store, zone: str) -> list[Write]:
    """A change for each entry that means another zone."""
    writes = []
    for before in store.all().values():
        if before.zone != zone and not before.error:
            with suppress(DamagedEntry):
                after = in_zone(before, zone)
                writes.append(Write(before.name, before, after, reschedule=before.due != after.due))
    return writes


def in_zone(entry: Entry, zone: str) -> Entry:
    """The entry in another zone; only a crontab of another program gets another due instant by that."""
    after = replace(entry, zone=zone)
    if entry.origin != "redbeat" or not is_on_the_wall(entry.fields.get("schedule")):
        return after
    return replace(after, due=first_due(after, from_seconds(time.time())))


def is_on_the_wall(schedule: Any) -> bool:
    """Whether RedBeat's schedule depends on a zone: all but intervals that count elapsed time, and the sun."""
    if not isinstance(schedule, Mapping):
        return False
    kind = schedule.get("__type__")
    return kind in ("crontab", "rrule") or (kind == "interval" and bool(schedule.get("relative")))
