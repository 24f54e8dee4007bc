"""Zones: from the pinned package, cut exactly where their offset changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from scheduler.timing import get_zone, zone_names
from scheduler.timing.segments import wall_clock
from tests.unit.timing.oracle import changes


def test_the_names_are_those_of_the_package_and_all_can_be_loaded() -> None:
    assert {"UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "US/Eastern"} <= zone_names()
    assert len(zone_names()) > 500
    assert all(get_zone(name).key == name for name in zone_names())


def test_a_zone_does_not_come_from_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONTZPATH", "/nonexistent")
    get_zone.cache_clear()
    assert get_zone("Europe/Berlin").utcoffset(datetime(2026, 7, 1)) == timedelta(hours=2)  # noqa: DTZ001 - wall time


@pytest.mark.slow
@pytest.mark.parametrize("begin", ["1969-01-01", "2011-01-01", "2026-01-01", "2039-01-01", "2500-01-01"])
def test_the_offset_is_the_one_of_the_zone_at_any_time(begin: str) -> None:
    first = datetime.fromisoformat(begin).replace(tzinfo=UTC)
    for name in sorted(zone_names()):
        clock, zone = wall_clock(name), get_zone(name)
        for day in range(0, 730, 3):
            instant = first + timedelta(days=day, hours=day % 24)
            assert clock.segment(instant).offset == instant.astimezone(zone).utcoffset(), name


@pytest.mark.parametrize("name", ["Europe/Berlin", "Africa/Casablanca", "Asia/Gaza", "Pacific/Apia", "Asia/Tokyo"])
def test_every_change_is_found_to_the_second(name: str) -> None:
    begin, end = datetime(2009, 1, 1, tzinfo=UTC), datetime(2027, 12, 31, 23, tzinfo=UTC)
    found = [later.start for _, later in wall_clock(name).changes(begin, end)]
    hours = changes(name, 2009, 2027)
    assert len(found) == len(hours)
    for change, hour in zip(found, hours, strict=True):
        assert hour < change <= hour + timedelta(hours=1)
        before, after = (moment.astimezone(get_zone(name)) for moment in (change - timedelta(seconds=1), change))
        assert before.utcoffset() != after.utcoffset()


def test_the_changes_of_far_years_follow_the_closing_rule() -> None:
    clock = wall_clock("Europe/Berlin")
    pairs = clock.changes(datetime(2600, 1, 1, tzinfo=UTC), datetime(2601, 1, 1, tzinfo=UTC))
    assert [later.start.isoformat() for _, later in pairs] == [
        "2600-03-30T01:00:00+00:00",
        "2600-10-26T01:00:00+00:00",
    ]
