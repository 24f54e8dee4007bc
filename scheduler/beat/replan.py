"""After the wall clock was set back: the next due instants, without those that were sent already."""

from __future__ import annotations

import time
from contextlib import suppress

from scheduler.beat.context import Context
from scheduler.beat.sender import MAX_BATCH
from scheduler.errors import Conflict
from scheduler.sending.decide import Stretches
from scheduler.sending.moved_clock import after_set_back
from scheduler.storage import entries
from scheduler.storage.entries import DamagedEntry
from scheduler.storage.instants import from_seconds
from scheduler.storage.store import Write


def replan(context: Context, still_ahead: Stretches) -> bool:
    """Give each schedule its next due instant outside the intervals that were covered before the clock was set back.

    False when a person or program changed a schedule meanwhile: call it again. Raises LostLock.
    """
    writes = planned(context, still_ahead)
    try:
        for start in range(0, len(writes), MAX_BATCH):
            context.store.write(writes[start : start + MAX_BATCH], token=context.lease.token)
            context.lease.progress()
    except Conflict:
        context.lease.hold_on(context.client)
        return False
    return True


def planned(context: Context, still_ahead: Stretches) -> list[Write]:
    """A change for each entry that gets another due instant."""
    now = from_seconds(time.time())
    writes = []
    for before in context.store.all().values():
        with suppress(DamagedEntry):
            after = after_set_back(before, entries.job(before), now, still_ahead)
            writes += [] if after is None else [Write(before.name, before, after)]
    return writes
