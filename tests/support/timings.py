"""What tests ask of a timing beyond what the service needs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from scheduler.timing import Timing


def kept_between(timing: Timing, after: datetime, until: datetime) -> Iterator[datetime]:
    """Due instants with after < due <= until, without those that a calendar excludes."""
    due = timing.next_after(after)
    while due is not None and due <= until:
        yield due
        due = timing.next_after(due)


def due_between(timing: Timing, after: datetime, until: datetime) -> Iterator[datetime]:
    """Due instants with after < due <= until, excluded or not."""
    due = timing.next_due(after)
    while due is not None and due <= until:
        yield due
        due = timing.next_due(due)
