"""Near the last year that a date has, every timing ends quietly, and what it gives can be shown in every zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest

from scheduler.admin.filters import absolute, clock_change, relative
from scheduler.cli.common import local
from scheduler.storage.instants import iso
from scheduler.timing import TimingError, parse_instant
from scheduler.validate import validate_fields

NOW = datetime(2026, 11, 28, tzinfo=UTC)
ZONES = ("UTC", "Pacific/Kiritimati", "America/New_York", "Etc/GMT+12")
TIMINGS: tuple[dict[str, Any], ...] = (
    {"every": "1d"}, {"every": "36500d"}, {"every": "1s"}, {"cron": "0 0 * * *"}, {"cron": "0 0 29 2 *"},
    {"cron": "* * * * *"}, {"rrule": "FREQ=DAILY"}, {"rrule": "FREQ=DAILY;UNTIL=99991231T235959Z"},
    {"rrule": "FREQ=YEARLY;COUNT=5"}, {"solar": "sunset 52.52 13.40"},
)  # fmt: skip
BOUNDS: tuple[dict[str, Any], ...] = (
    {"start": "9999-12-23 00:00"}, {"start": "9998-02-01 00:00"}, {"start": "0001-01-09 00:00"},
    {"start": "9999-12-23 12:00", "jitter": "30m"}, {"end": "9999-12-24 00:00"},
)  # fmt: skip


@pytest.mark.parametrize("zone", ZONES[:3])
@pytest.mark.parametrize("timing", TIMINGS, ids=str)
def test_what_a_schedule_that_starts_at_the_end_of_time_gives_can_be_shown(timing: dict[str, Any], zone: str) -> None:
    for bounds in BOUNDS:
        declared, _ = validate_fields("job", {"task": "t", "timezone": zone, **timing, **bounds}, tasks=None)
        if declared is None:
            continue
        built = declared.timing
        for instant in islice(built.each_after(NOW), 30):
            shown = [(absolute(instant, name), local(instant, name), clock_change(instant, name)) for name in ZONES]
            assert all(shown)
            assert relative(instant)
            assert iso(built.send_at(instant))
            assert built.next_after(instant - timedelta(microseconds=1)) == instant


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("text", ["9999-12-31T23:59:59", "9999-12-31", "0001-01-01T00:00", "9999-12-31T23:59-12:00"])
def test_a_time_that_not_every_zone_has_is_refused(text: str, zone: str) -> None:
    with pytest.raises(TimingError):
        parse_instant(text, zone)
