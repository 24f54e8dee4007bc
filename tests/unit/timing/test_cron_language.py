"""What cron expressions mean: fields, names, Quartz's signs, spreading, and days that are far away."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice, pairwise

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.timing import Timing, build

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)


def dates(text: str, after: str = "2026-01-01T00:00+00:00", count: int = 4, name: str = "") -> str:
    timing = build("cron", text, name=name)
    return " ".join(due.date().isoformat()[2:] for due in islice(endless(timing, datetime.fromisoformat(after)), count))


def endless(timing: Timing, after: datetime) -> list[datetime]:
    found = []
    for _ in range(12):
        due = timing.next_due(after)
        if due is None:
            break
        found.append(due)
        after = due
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 0 L * *", "26-01-31 26-02-28 26-03-31 26-04-30"),
        ("1 0 L-1 * *", "26-01-30 26-02-27 26-03-30 26-04-29"),
        ("1 0 LW * *", "26-01-30 26-02-27 26-03-31 26-04-30"),
        # Saturday 1 August: the nearest weekday within the month is Monday 3
        ("1 0 1W * *", "26-01-01 26-02-02 26-03-02 26-04-01"),
        ("1 0 1W 8 *", "26-08-03 27-08-02 28-08-01 29-08-01"),
        # Sunday 31 May: the nearest weekday within the month is Friday 29
        ("1 0 31W * *", "26-01-30 26-03-31 26-05-29 26-07-31"),
        ("1 0 15W * *", "26-01-15 26-02-16 26-03-16 26-04-15"),
        ("1 0 1,L * *", "26-01-01 26-01-31 26-02-01 26-02-28"),
        ("1 0 * * 5L", "26-01-30 26-02-27 26-03-27 26-04-24"),
        ("1 0 * * FRIL", "26-01-30 26-02-27 26-03-27 26-04-24"),
        ("1 0 * * MON#1", "26-01-05 26-02-02 26-03-02 26-04-06"),
        ("1 0 * * 1#5", "26-03-30 26-06-29 26-08-31 26-11-30"),
        ("1 0 * * MON#1,FRI#1", "26-01-02 26-01-05 26-02-02 26-02-06"),
        ("1 0 * * 7#1", "26-01-04 26-02-01 26-03-01 26-04-05"),
        ("1 0 * * 5-7", "26-01-02 26-01-03 26-01-04 26-01-09"),
        ("1 0 * * fri-sun", "26-01-02 26-01-03 26-01-04 26-01-09"),
        ("1 0 * * 7", "26-01-04 26-01-11 26-01-18 26-01-25"),
        ("1 0 * * 0", "26-01-04 26-01-11 26-01-18 26-01-25"),
        ("1 0 * jan,MAR sat", "26-01-03 26-01-10 26-01-17 26-01-24"),
        # OR when both are restricted, AND when one starts with * or is ?
        ("1 0 13 * 5", "26-01-02 26-01-09 26-01-13 26-01-16"),
        ("1 0 */13 * 5", "26-02-27 26-03-27 26-05-01 26-08-14"),
        ("1 0 13 * */5", "26-02-13 26-03-13 26-09-13 26-11-13"),
        ("1 0 13 * ?", "26-01-13 26-02-13 26-03-13 26-04-13"),
        ("1 0 ? * 5", "26-01-02 26-01-09 26-01-16 26-01-23"),
        ("1 0 ? * ?", "26-01-01 26-01-02 26-01-03 26-01-04"),
        # February never has a 30th, but the Mondays are there
        ("1 0 30 2 1", "26-02-02 26-02-09 26-02-16 26-02-23"),
        ("1 0 */10 * *", "26-01-01 26-01-11 26-01-21 26-01-31"),
        ("1 0 5/10 * *", "26-01-05 26-01-15 26-01-25 26-02-05"),
        ("@monthly", "26-02-01 26-03-01 26-04-01 26-05-01"),
        ("@Yearly", "27-01-01 28-01-01 29-01-01 30-01-01"),
        ("@weekly", "26-01-04 26-01-11 26-01-18 26-01-25"),
    ],
)
def test_days(text: str, expected: str) -> None:
    assert dates(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 0 29 2 *", "28-02-29 32-02-29 36-02-29 40-02-29"),
        ("0 0 29 2 1", "26-02-02 26-02-09 26-02-16 26-02-23"),
        ("0 0 29 2 */7", "32-02-29 60-02-29 88-02-29 28-02-29"),
        ("0 0 * 2 MON#5", "44-02-29 72-02-29 12-02-29 40-02-29"),
    ],
)
def test_rare_days_are_found_however_far_away(text: str, expected: str) -> None:
    assert dates(text) == expected


def test_the_29th_of_february_is_found_across_2100() -> None:
    timing = build("cron", "30 2 29 2 *", zone="America/New_York")
    after = datetime(2096, 3, 1, tzinfo=UTC)
    assert timing.next_due(after) == datetime(2104, 2, 29, 7, 30, tzinfo=UTC)


def test_the_last_days_of_the_calendar_end_without_an_error() -> None:
    timing = build("cron", "0 0 * * *", zone="Asia/Tokyo")
    assert timing.next_due(datetime(9999, 12, 31, 23, tzinfo=UTC)) is None
    assert build("every", "1h").next_due(datetime(9999, 12, 31, 23, 30, tzinfo=UTC)) is None
    assert timing.next_due(datetime.min.replace(tzinfo=UTC)) is not None
    assert timing.next_due(datetime.max.replace(tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("~ 3 * * *", 0, 59),
        ("10~20 3 * * *", 10, 20),
        ("~9 3 * * *", 0, 9),
        ("50~ 3 * * *", 50, 59),
        ("~/15 * * * *", 0, 59),
    ],
)
def test_a_spread_minute_stays_in_its_range_and_differs_between_names(text: str, low: int, high: int) -> None:
    minutes = {name: build("cron", text, name=name).next_due(JANUARY) for name in map(str, range(200))}
    found = {due.minute for due in minutes.values() if due is not None}
    assert low <= min(found) < max(found) <= high
    assert len(found) > 5


def test_a_spread_value_is_the_same_on_every_machine() -> None:
    due = build("cron", "~ ~ * * *", name="nightly-report").next_due(JANUARY)
    assert due == datetime(2026, 1, 1, 21, 48, tzinfo=UTC)


def test_a_spread_step_keeps_its_distance() -> None:
    due = endless(build("cron", "~/15 * * * *", name="a"), JANUARY)
    assert {(later - earlier).seconds for earlier, later in pairwise(due)} == {900}


def test_a_spread_day_of_the_month_comes_every_month() -> None:
    for name in map(str, range(100)):
        for text in ("0 0 ~ * *", "0 0 15~31 * *"):
            assert len({due.month for due in endless(build("cron", text, name=name), JANUARY)}) == 12


def test_every_in_a_cron_expression_is_an_interval() -> None:
    timing = build("cron", "@every 1h30m", zone="Europe/Berlin")
    assert timing.next_due(JANUARY) == datetime(2026, 1, 1, 1, 30, tzinfo=UTC)
    assert timing.words() == "Every 1 hour 30 minutes"


def test_tabs_and_case_and_outer_blanks_do_not_matter() -> None:
    assert dates("  1\t0  *\t * Mon ") == dates("1 0 * * 1")


SHARED = st.tuples(
    st.sampled_from(["*", "*/7", "0", "5,50", "10-20/3", "5/20"]),
    st.sampled_from(["*", "*/5", "3", "8-18/2", "22,23"]),
    st.sampled_from(["*", "*/2", "1", "31", "L", "LW", "29-31", "13"]),
    st.sampled_from(["*", "2", "JAN-MAR", "*/5", "4,6"]),
    st.sampled_from(["*", "MON", "5-7", "0", "7", "1#5", "5L", "*/3", "TUE,THU"]),
).map(" ".join)


@settings(max_examples=400, deadline=None)
@given(SHARED, st.datetimes(datetime(1971, 1, 1), datetime(2300, 1, 1)))  # noqa: DTZ001 - hypothesis wants naive bounds
def test_without_clock_changes_it_agrees_with_cronsim(text: str, instant: datetime) -> None:
    try:
        theirs = list(islice(CronSim(text, instant.replace(tzinfo=UTC)), 5))
    except Exception:
        with pytest.raises(ValueError, match="never fires"):
            build("cron", text)
        return
    timing = build("cron", text)
    after = instant.replace(tzinfo=UTC)
    for due in theirs:
        assert timing.next_due(after) == due
        after = due
