"""Durations as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.timing import TimingError, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds", "canonical"),
    [
        ("30s", 30, "30s"),
        ("90s", 90, "1m30s"),
        ("10m", 600, "10m"),
        ("1h30m", 5400, "1h30m"),
        (" 1h 30m ", 5400, "1h30m"),
        ("1.5h", 5400, "1h30m"),
        ("2d", 172_800, "2d"),
        ("1w", 604_800, "7d"),
        ("500ms", 0.5, "500ms"),
        ("1s250ms", 1.25, "1s250ms"),
        ("0.000001s", 0.000001, "0.001ms"),
        ("0s", 0, "0s"),
        ("36525d", 36_525 * 86_400, "36525d"),
    ],
)
def test_a_duration_is_read_and_spelled(text: str, seconds: float, canonical: str) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)
    assert format_duration(timedelta(seconds=seconds)) == canonical


@pytest.mark.parametrize(
    "text", ["", "s", "1", "1x", "1h-30m", "1 000s", "٣s", "1H", "PT1H", "0.1ms0.1ms", "0.0000001s"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(TimingError):
        parse_duration(text)


@given(st.timedeltas(timedelta(0), timedelta(days=36_525)))
def test_what_is_spelled_is_read_back_exactly(value: timedelta) -> None:
    assert parse_duration(format_duration(value)) == value


def test_a_negative_duration_can_be_shown() -> None:
    assert format_duration(timedelta(seconds=-90)) == "-1m30s"
