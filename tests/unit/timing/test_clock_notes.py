"""What a person is told about clock changes beforehand."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.timing import TimingError, build, clock_changes, uneven_every
from tests.unit.timing.test_cron_against_oracle import EXPRESSIONS, MOMENTS

BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)


def notes(text: str, zone: str, kind: str = "cron", **given: object) -> list[str]:
    timing = build(kind, text, zone=zone, **given)  # type: ignore[arg-type]
    return [f"{note.effect} {note.on:%d %b}" for note in clock_changes(timing, BEGIN, END)]


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        # New York: 02:00 to 03:00 on 8 March, 02:00 to 01:00 on 1 November
        ("30 2 * * *", "America/New_York", ["moved 08 Mar"]),
        ("30 1 * * *", "America/New_York", ["once 01 Nov"]),
        ("0 3 * * *", "America/New_York", []),
        ("0 * * * *", "America/New_York", []),
        ("*/15 * * * *", "America/New_York", []),
        ("0 0-23 * * *", "America/New_York", ["moved 08 Mar", "once 01 Nov"]),
        ("30 2 * * 1", "America/New_York", []),
        # Berlin: 02:00 to 03:00 on 29 March, 03:00 to 02:00 on 25 October
        ("0 */2 * * *", "Europe/Berlin", ["skipped 29 Mar", "repeated 25 Oct"]),
        ("*/10 2 * * *", "Europe/Berlin", ["skipped 29 Mar", "repeated 25 Oct"]),
        # Lord Howe: 02:00 to 01:30 on 5 April, 02:00 to 02:30 on 4 October
        ("0 * * * *", "Australia/Lord_Howe", ["skipped 04 Oct"]),
        ("30 * * * *", "Australia/Lord_Howe", ["repeated 05 Apr"]),
        ("30 2 * * *", "UTC", []),
    ],
)
def test_days_on_which_the_clocks_touch_a_job(text: str, zone: str, expected: list[str]) -> None:
    assert notes(text, zone) == expected


def test_each_note_says_what_happens() -> None:
    timing = build("cron", "0,30 2 * * *", zone="Europe/Berlin")
    spring, autumn = (note.words for note in clock_changes(timing, BEGIN, END))
    assert spring == (
        "on 29 March 2026 the clocks go forward from 02:00 to 03:00: the 02:00 and 02:30 runs are moved to 03:00"
    )
    assert autumn == (
        "on 25 October 2026 the clocks go back from 03:00 to 02:00: "
        "the 02:00 and 02:30 runs are sent once, the first time"
    )


def test_a_day_that_the_date_line_takes_is_told_with_both_dates() -> None:
    timing = build("cron", "0 12 * * *", zone="Pacific/Apia")
    (note,) = clock_changes(timing, datetime(2011, 12, 1, tzinfo=UTC), datetime(2012, 1, 15, tzinfo=UTC))
    assert (note.on, note.effect) == (date(2011, 12, 30), "skipped")
    assert note.words == (
        "on 30 December 2011 the clocks go forward from 00:00 to 00:00 on 31 December 2011: the 12:00 run is skipped"
    )


def test_rules_are_told_of_and_intervals_are_not_touched() -> None:
    assert notes("FREQ=DAILY;BYHOUR=2;BYMINUTE=30", "Europe/Berlin", kind="rrule") == ["moved 29 Mar", "once 25 Oct"]
    assert notes("1h", "Europe/Berlin", kind="every") == []


def test_a_change_outside_start_and_end_or_on_an_excluded_day_is_not_told() -> None:
    assert notes("30 2 * * *", "Europe/Berlin", start=datetime(2026, 6, 1, tzinfo=UTC)) == ["once 25 Oct"]
    assert notes("30 2 * * *", "Europe/Berlin", end=datetime(2026, 6, 1, tzinfo=UTC)) == ["moved 29 Mar"]
    assert notes("30 2 * * *", "Europe/Berlin", excluded=("2026-03-29",)) == ["once 25 Oct"]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(MOMENTS), EXPRESSIONS)
def test_notes_can_be_written_for_any_expression_and_name_a_day_of_the_change(
    moment: tuple[str, datetime], text: str
) -> None:
    zone, change = moment
    try:
        timing = build("cron", text, zone=zone)
    except TimingError:
        return
    for note in clock_changes(timing, change, change.replace(year=change.year + 1)):
        assert note.effect in ("moved", "skipped", "repeated", "once")
        assert note.words.startswith("on ")


@pytest.mark.parametrize(
    ("every", "uneven"),
    [
        ("7m", True),
        ("10m", False),
        ("1d", False),
        ("2d", False),
        ("36h", True),
        ("5h", True),
        ("6h", False),
        ("1ms", False),
    ],
)
def test_an_every_that_does_not_divide_a_day_is_told(every: str, uneven: bool) -> None:
    said = uneven_every(build("every", every))
    assert (said is not None) == uneven
    if said:
        assert said.endswith("does not divide a day: its times of day change every day")


def test_a_cron_expression_is_never_uneven() -> None:
    assert uneven_every(build("cron", "*/7 * * * *")) is None
