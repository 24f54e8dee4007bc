"""The due instant before another one. Rules only look ahead, so it is found by halving the time between."""

from __future__ import annotations

from datetime import datetime, timedelta

from scheduler.timing.core import Timing

LOOK_BACK = tuple(timedelta(days=days) for days in (1 / 1440, 1 / 24, 1, 32, 367, 9 * 366))


def previous_due(timing: Timing, due: datetime) -> datetime | None:
    """The last due instant before ``due`` that no calendar excludes; None if there is none within nine years."""
    for back in LOOK_BACK:
        first = timing.next_after(due - back)
        if first is not None and first < due:
            return last_before(timing, first, due)
    return None


def last_before(timing: Timing, first: datetime, due: datetime) -> datetime:
    """The last due instant before ``due``, if ``first`` is one of them."""
    low, high = first, due  # nothing is due from `high` to `due`
    while (following := timing.next_after(low)) is not None and following < due:
        middle = low + (high - low) / 2
        after_middle = timing.next_after(middle)
        if after_middle is not None and after_middle < due:
            low = after_middle
        else:
            low, high = following, middle
    return low
