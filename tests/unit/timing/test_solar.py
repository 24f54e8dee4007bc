"""Sunrise and its kin; ephem is optional."""

from __future__ import annotations

import builtins
import os
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from scheduler.timing import TimingError, build

if not os.environ.get("CI"):
    pytest.importorskip("ephem", reason="pip install ephem to test solar timings")

JUNE = datetime(2026, 6, 20, 0, 0, tzinfo=UTC)


def test_sunset_in_berlin() -> None:
    due = build("solar", "sunset 52.52 13.40").next_due(JUNE)
    assert due is not None
    # Almanacs say 21:33 in Berlin, two hours ahead of UTC.
    assert abs(due - datetime(2026, 6, 20, 19, 33, tzinfo=UTC)) < timedelta(minutes=1)


EVENTS = (
    "dawn_astronomical dawn_nautical dawn_civil sunrise solar_noon sunset dusk_civil dusk_nautical dusk_astronomical"
)


def test_the_events_of_a_day_come_in_order() -> None:
    noon = datetime(2026, 3, 20, 0, 0, tzinfo=UTC)
    due = [build("solar", f"{event} 40 0").next_due(noon) for event in EVENTS.split()]
    moments = [moment for moment in due if moment is not None]
    assert len(moments) == 9
    assert moments == sorted(moments)


@pytest.mark.parametrize("place", ["52.52 13.40", "-33.9 151.2", "0 -179.9", "67 25", "78.2 15.6", "-85 0"])
@pytest.mark.parametrize("event", ["sunrise", "sunset", "solar_noon"])
def test_due_instants_do_not_depend_on_where_the_search_begins(event: str, place: str) -> None:
    timing = build("solar", f"{event} {place}")
    due = []
    after = JUNE
    for _ in range(8):
        moment = timing.next_due(after)
        assert moment is not None
        assert moment > after
        assert moment.microsecond == 0
        due.append(moment)
        after = moment
    for earlier, later in pairwise(due):
        assert timing.next_due(earlier + (later - earlier) / 3) == later
        assert timing.next_due(later - timedelta(microseconds=1)) == later


def test_the_polar_night_is_waited_out() -> None:
    due = build("solar", "sunrise 78.2 15.6").next_due(datetime(2026, 11, 1, tzinfo=UTC))
    assert due is not None
    assert datetime(2027, 2, 1, tzinfo=UTC) < due < datetime(2027, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "teatime 52 13",
            "solar event 'teatime' is unknown — use dawn_astronomical, dawn_nautical, dawn_civil, sunrise,",
        ),
        ("sunset 91 13", "latitude '91' is not from -90 to 90 — write an event"),
        ("sunset 52 -181", "longitude '-181' is not from -180 to 180 — write an event"),
        ("sunset nan 13", "latitude 'nan' is not from -90 to 90 — write an event"),
        ("sunset 52 13 1", "solar 'sunset 52 13 1' has 4 parts — write an event"),
    ],
)
def test_what_is_no_event_or_no_place_is_refused(text: str, message: str) -> None:
    with pytest.raises(TimingError) as refusal:
        build("solar", text)
    assert str(refusal.value).startswith(message)


def test_without_ephem_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_ephem(name: str, *args: Any, **options: Any) -> Any:
        if name == "ephem":
            raise ImportError(name)
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without_ephem)
    with pytest.raises(TimingError) as refusal:
        build("solar", "sunset 1.25 2.5")
    assert str(refusal.value) == "solar timings need the package ephem — pip install ephem"
