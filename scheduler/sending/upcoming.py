"""Which due instants of an entry will be sent, as things stand. Pure: whoever asks brings the clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

from scheduler.model import Entry
from scheduler.storage.entries import Job
from scheduler.storage.instants import from_seconds

INSTANT = timedelta(microseconds=1)


def due_instants(entry: Entry, job: Job, after: datetime) -> Iterator[datetime]:
    """Every due instant after this one that will be sent."""
    if entry.due is None or not job.enabled or entry.error:
        return iter(())
    if entry.pause is not None:
        if entry.pause.until is None:
            return iter(())
        # What falls due until then is skipped.
        after = max(after, from_seconds(entry.pause.until))
    left = None if job.max_runs is None else max(job.max_runs - entry.total_run_count, 0)
    skipped = from_seconds(entry.skip.due) if entry.skip else None
    return islice((at for at in following(entry.due, job, after) if at != skipped), left)


def following(due: datetime, job: Job, after: datetime) -> Iterator[datetime]:
    """Due instants from ``due`` on, none before ``after``, none that a calendar excludes."""
    if due > after and not job.timing.is_excluded(due):
        yield due
    yield from job.timing.each_after(max(due, after))


def left_out(entry: Entry, job: Job) -> datetime | None:
    """The due instant that somebody asked to skip, while the timing still fires then."""
    if entry.skip is None:
        return None
    at = from_seconds(entry.skip.due)
    return at if job.timing.next_after(at - INSTANT) == at else None
