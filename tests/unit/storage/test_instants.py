"""Instants as they are stored come back as they were."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.storage.instants import (
    EPOCH,
    from_micros,
    from_redbeat,
    from_seconds,
    to_micros,
    to_redbeat_json,
    to_seconds,
)

INSTANTS = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(INSTANTS)
def test_microseconds_in_text_come_back_exactly(instant: datetime) -> None:
    assert from_micros(to_micros(instant)) == instant


@given(INSTANTS)
def test_seconds_come_back_to_the_microsecond(instant: datetime) -> None:
    assert abs(from_seconds(to_seconds(instant)) - instant) <= timedelta(microseconds=1)


@given(INSTANTS)
def test_an_instant_in_redbeats_meta_comes_back_exactly(instant: datetime) -> None:
    assert from_redbeat(json.loads(to_redbeat_json(instant))) == instant


def test_nothing_stays_nothing() -> None:
    assert (to_micros(None), from_micros(""), from_micros(None)) == ("", None, None)
    assert (to_redbeat_json(None), from_redbeat(None)) == ("null", None)


def test_the_epoch_is_an_instant_and_not_nothing() -> None:
    assert from_micros(to_micros(EPOCH)) == EPOCH


def test_an_instant_in_any_zone_is_written_in_utc() -> None:
    vienna = datetime(2026, 7, 1, 14, 0, tzinfo=timezone(timedelta(hours=2)))
    assert to_micros(vienna) == to_micros(datetime(2026, 7, 1, 12, 0, tzinfo=UTC))
    assert json.loads(to_redbeat_json(vienna))["hour"] == 12


PARTS = {
    "__type__": "datetime",
    "year": 2026,
    "month": 7,
    "day": 1,
    "hour": 14,
    "minute": 0,
    "second": 0,
    "microsecond": 5,
}


@pytest.mark.parametrize("zone", ["Europe/Vienna", 7200, 7200.0])
def test_redbeat_names_a_zone_or_an_offset_in_seconds(zone: Any) -> None:
    assert from_redbeat(PARTS | {"timezone": zone}) == datetime(2026, 7, 1, 12, 0, 0, 5, tzinfo=UTC)


def test_redbeat_without_a_zone_means_utc() -> None:
    assert from_redbeat(PARTS) == datetime(2026, 7, 1, 14, 0, 0, 5, tzinfo=UTC)


@pytest.mark.parametrize("wrong", [{"timezone": "Mars/Olympus"}, {"month": 13}, {"fortnight": 1}, {"year": "x"}])
def test_a_damaged_instant_of_redbeat_is_an_error_that_decoding_expects(wrong: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        from_redbeat(PARTS | wrong)
