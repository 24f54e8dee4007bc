"""The due instant before another one: the last that looking ahead from earlier would give."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from scheduler.timing import build, previous_due

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "text", "zone"),
    [
        ("every", "1s", "UTC"),
        ("every", "7h", "UTC"),
        ("cron", "*/5 * * * *", "UTC"),
        ("cron", "30 2 * * *", "Europe/Berlin"),
        ("cron", "0 12 1 * *", "UTC"),
        ("cron", "* 3 * * 1", "UTC"),
        ("cron", "0 0 29 2 *", "America/New_York"),
        ("rrule", "FREQ=MONTHLY;BYDAY=-1FR", "UTC"),
    ],
)
def test_it_is_the_one_that_the_next_one_follows(kind: str, text: str, zone: str) -> None:
    timing = build(kind, text, zone=zone)
    due = timing.next_after(NOON)
    assert due is not None
    for _ in range(20):
        following = timing.next_after(due)
        assert following is not None
        assert previous_due(timing, following) == due
        due = following
    assert previous_due(timing, due + timedelta(microseconds=1)) == due


def test_the_first_has_none_and_excluded_days_do_not_count() -> None:
    first = build("every", "1d", start=NOON)
    assert previous_due(first, NOON) is None
    assert previous_due(first, NOON + timedelta(days=1)) == NOON
    timing = build("cron", "0 12 * * *", excluded=("2026-03-01",))
    assert previous_due(timing, NOON) == NOON - timedelta(days=2)
