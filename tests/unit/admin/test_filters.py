"""Times and values as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import time_machine

from scheduler.admin import filters

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "now"),
        (0.9, "now"),
        (-0.9, "now"),
        (1, "in 1 s"),
        (-89.9, "89 s ago"),
        (90, "in 2 min"),
        (-5_399, "90 min ago"),
        (5_400, "in 2 h"),
        (10_500, "in 3 h"),
        (172_799, "in 48 h"),
        (-172_800, "2 days ago"),
        (5_183_999, "in 60 days"),
        (5_184_000, "in 2 months"),
        (-400 * 86_400, "13 months ago"),
    ],
)
def test_distance_from_now(seconds: float, words: str) -> None:
    with time_machine.travel(NOON, tick=False):
        assert filters.relative(NOON.timestamp() + seconds) == words


def test_nothing_has_no_time() -> None:
    assert filters.relative(None) == filters.relative(0) == "never"
    assert filters.absolute(None) == filters.absolute(0.0) == "–"


@pytest.mark.parametrize(
    ("instant", "zone", "words"),
    [
        (NOON, "UTC", "Mon 02 Mar 12:00 UTC"),
        (NOON, "America/New_York", "Mon 02 Mar 07:00 EST"),
        (NOON, "Asia/Kathmandu", "Mon 02 Mar 17:45 +0545"),
        (NOON.replace(second=7), "UTC", "Mon 02 Mar 12:00:07 UTC"),
        (NOON.replace(year=2027), "UTC", "Tue 02 Mar 2027 12:00 UTC"),
        (NOON.timestamp(), "Europe/Berlin", "Mon 02 Mar 13:00 CET"),
    ],
)
def test_a_time_in_a_zone(instant: datetime | float, zone: str, words: str) -> None:
    with time_machine.travel(NOON, tick=False):
        assert filters.absolute(instant, zone) == words


def test_a_column_shows_seconds_when_one_of_its_times_has_some() -> None:
    assert filters.with_seconds([NOON, NOON.replace(second=1)])
    assert not filters.with_seconds([NOON, None, 0.0])
    with time_machine.travel(NOON, tick=False):
        assert filters.absolute(NOON, "UTC", True) == "Mon 02 Mar 12:00:00 UTC"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "–"),
        (-0.001, "0 ms"),
        (0.0123, "12 ms"),
        (0.9999, "1.00 s"),
        (9.99, "9.99 s"),
        (9.999, "10 s"),
        (10.4, "10 s"),
        (59.6, "1 min 0 s"),
        (185, "3 min 5 s"),
        (7_800, "2 h 10 min"),
    ],
)
def test_how_long_something_took(seconds: float | None, words: str) -> None:
    assert filters.length_of(seconds) == words


@pytest.mark.parametrize(
    ("day", "zone", "words"),
    [
        ((2026, 3, 29), "Europe/Berlin", "clocks go forward 60 min"),
        ((2026, 10, 25), "Europe/Berlin", "clocks go back 60 min"),
        ((2026, 10, 26), "Europe/Berlin", ""),
        ((2026, 4, 4), "Australia/Lord_Howe", "clocks go back 30 min"),
        ((2026, 3, 29), "UTC", ""),
        ((2026, 9, 6), "America/Santiago", "clocks go forward 60 min"),
    ],
)
def test_days_on_which_clocks_change(day: tuple[int, int, int], zone: str, words: str) -> None:
    noon = datetime(*day, 16, tzinfo=UTC)
    assert filters.clock_change(noon, zone) == words


def test_results_that_are_json_are_indented_and_others_stay() -> None:
    assert filters.pretty('{"a": [1]}') == '{\n  "a": [\n    1\n  ]\n}'
    assert filters.pretty("not json") == "not json"
    assert filters.pretty("[" * 100_000) == "[" * 100_000


def test_backticks_become_code_and_nothing_else_becomes_markup() -> None:
    assert filters.marked("run `a <b>` & <i>") == "run <code>a &lt;b&gt;</code> &amp; &lt;i&gt;"


def test_one_line_is_enough_for_a_row() -> None:
    assert filters.first_line("  one\ntwo") == "one"
    assert filters.first_line("x" * 200, 10) == "x" * 9 + "…"


def test_values_in_one_line() -> None:
    assert filters.value("as it is") == "as it is"
    assert filters.value({"ä": [1, None, True]}) == '{"ä": [1, null, true]}'
