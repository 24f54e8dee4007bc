"""An entry's next due instant after the clock was set back, or the rules of its zone changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from scheduler.model import Entry
from scheduler.sending.decide import Stretches, covered_until
from scheduler.storage.entries import Job
from scheduler.storage.instants import EPOCH, from_seconds, to_seconds

TICK = timedelta(microseconds=1)


def after_set_back(entry: Entry, job: Job, now: datetime, covered: Stretches) -> Entry | None:
    """The entry after the clock was set back to ``now``; None if its next due instant stays the same.

    A paused entry keeps its due instant, which is when the pause began.
    """
    if entry.error or entry.pause is not None or (entry.due is not None and entry.due <= now):
        return None
    due = job.timing.next_due(now)
    while due is not None and (end := covered_until(due, job, covered)):
        due = job.timing.next_due(end)
    if due is None or due == entry.due:
        return None
    # A last run in what is now the future would look as if another beat had sent everything up to then.
    ran = entry.last_run_at
    return replace(entry, due=due, last_run_at=None if ran is None else min(ran, now))


def after_new_zone_rules(entry: Entry, job: Job, handled: datetime, shift: timedelta) -> Entry | None:
    """The entry with its due instant by the new rules of its zone; None if that stays the same.

    What was due up to ``handled`` was decided by the old rules. There, the wall clock of the new rules is ``shift``
    earlier: readings that it repeats have run already, and readings that it leaves out fall due at once.
    """
    due = entry.due
    if due is None or entry.error or (entry.pause is not None and due <= handled):
        return None
    if due <= handled:
        handled = due - TICK
    if job.timing.next_due(handled) == due:  # elapsed time decides, as for an hourly job when the zone moves by an hour
        return None
    ran = entry.last_run_at or EPOCH  # it may have run after Redis was told last that a beat leads
    moved = job.timing.next_due(max(max(handled, ran) + shift, ran))
    if moved == due:
        return None
    skip = entry.skip
    if skip is not None and moved is not None and from_seconds(skip.due) == due:
        skip = replace(skip, due=to_seconds(moved))
    return replace(entry, due=moved, skip=skip)
