"""Random expressions around real clock changes, compared with a walk minute by minute."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from scheduler.timing import TimingError, build
from tests.support.timings import due_between
from tests.unit.timing.oracle import Expression, changes, timeline, walk

#: zone and years: half-hour, midnight, two-hour, Ramadan, quarter-hour, date-line and plain zones, and some history
PLACES = (
    ("America/New_York", 2025, 2026),
    ("Europe/Berlin", 2025, 2026),
    ("Europe/Dublin", 2026, 2026),
    ("Australia/Lord_Howe", 2025, 2026),
    ("America/Sao_Paulo", 2017, 2018),
    ("America/Havana", 2025, 2026),
    ("Africa/Cairo", 2025, 2026),
    ("Asia/Beirut", 2025, 2026),
    ("America/Santiago", 2025, 2026),
    ("America/Asuncion", 2022, 2023),
    ("America/Scoresbysund", 2024, 2025),
    ("America/St_Johns", 2006, 2007),
    ("Antarctica/Troll", 2025, 2026),
    ("Africa/Casablanca", 2026, 2026),
    ("Africa/El_Aaiun", 2025, 2025),
    ("Pacific/Chatham", 2025, 2026),
    ("Asia/Tehran", 2021, 2022),
    ("Asia/Kathmandu", 1985, 1986),
    ("Asia/Pyongyang", 2015, 2018),
    ("America/Caracas", 2007, 2016),
    ("Pacific/Apia", 2011, 2012),
    ("Pacific/Kwajalein", 1993, 1993),
    ("Europe/Berlin", 2099, 2100),
    ("America/New_York", 2499, 2499),
)
MOMENTS = [(zone, moment) for zone, first, last in PLACES for moment in changes(zone, first, last)]
BEFORE, HOURS = timedelta(hours=10), 24
PER_EXAMPLE, EXAMPLES = 25, 470


def number_field(low: int, high: int, likely: tuple[int, ...]) -> st.SearchStrategy[str]:
    """A field of numbers that prefers those near the clock changes."""
    number = st.sampled_from(likely) | st.integers(low, high)
    span = st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}")
    step = st.integers(1, high - low + 1)
    star = st.just("*")
    term = (
        number.map(str) | span | st.tuples(star | span | number.map(str), step).map(lambda pair: f"{pair[0]}/{pair[1]}")
    )
    return star | number.map(str) | st.lists(term, min_size=1, max_size=3).map(",".join)


MINUTES = number_field(0, 59, (0, 1, 15, 30, 45, 59))
HOURS_FIELD = number_field(0, 23, (0, 1, 2, 3, 4, 23))
DATES = st.just("*") | st.sampled_from(["?", "L", "LW", "L-1", "L-6", "1W", "15W", "31W", "*/2", "1,L", "8-14"])
WEEKDAYS = st.just("*") | st.sampled_from(
    ["?", "0", "7", "SUN", "mon-fri", "5-7", "sun,sat", "*/2", "6L", "0#1", "SUN#2"]
)
MONTHS = st.just("*") | st.just("*") | number_field(1, 12, (3, 4, 10, 11)) | st.just("mar,OCT")
EXPRESSIONS = st.tuples(
    MINUTES, HOURS_FIELD, DATES | number_field(1, 31, (1, 28, 31)), MONTHS, WEEKDAYS | number_field(0, 7, (0, 7))
).map(" ".join)


@pytest.mark.slow
@settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(st.sampled_from(MOMENTS), st.lists(EXPRESSIONS, min_size=PER_EXAMPLE, max_size=PER_EXAMPLE))
def test_ten_thousand_expressions_are_due_when_a_walk_minute_by_minute_says(
    moment: tuple[str, datetime], expressions: list[str]
) -> None:
    zone, change = moment
    ticks = timeline(zone, change - BEFORE, HOURS)
    begin, end = ticks[0].instant, ticks[-1].instant
    for text in expressions:
        try:
            timing = build("cron", text, zone=zone)
        except TimingError:
            continue
        expected = Expression(text).due(ticks)
        assert list(due_between(timing, begin - timedelta(seconds=1), end)) == expected, (zone, text)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.sampled_from(MOMENTS), EXPRESSIONS, st.integers(0, HOURS * 3600 - 1), st.sampled_from([0, 1, 500_000]))
def test_next_from_any_instant_is_the_neighbour_on_the_walk(
    moment: tuple[str, datetime], text: str, second: int, micros: int
) -> None:
    zone, change = moment
    ticks = timeline(zone, change - BEFORE, HOURS)
    instant = ticks[0].instant + timedelta(seconds=second, microseconds=micros)
    try:
        timing = build("cron", text, zone=zone)
    except TimingError:
        assume(False)
    due = Expression(text).due(ticks)
    after = due[bisect_right(due, instant) :]
    following = timing.next_due(instant)
    if after or (following is not None and following <= ticks[-1].instant):
        assert following == after[0]


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(st.sampled_from(MOMENTS), number_field(0, 59, (0, 30)), MINUTES, HOURS_FIELD)
def test_six_fields_follow_the_walk_second_by_second(
    moment: tuple[str, datetime], second: str, minute: str, hour: str
) -> None:
    zone, change = moment
    text = f"{second} {minute} {hour} * * *"
    ticks = tuple(walk(zone, change - timedelta(minutes=70), 3, timedelta(seconds=1)))
    begin, end = ticks[0].instant, ticks[-1].instant
    expected = Expression(text).due(ticks)
    timing = build("cron", text, zone=zone)
    assert list(due_between(timing, begin - timedelta(seconds=1), end))[:500] == expected[:500]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(MOMENTS),
    EXPRESSIONS,
    st.datetimes(datetime(1970, 1, 1), datetime(2400, 1, 1)),  # noqa: DTZ001 - hypothesis wants naive bounds
)
@pytest.mark.slow
def test_nothing_is_due_between_two_in_a_row(moment: tuple[str, datetime], text: str, instant: datetime) -> None:
    try:
        timing = build("cron", text, zone=moment[0])
    except TimingError:
        assume(False)
    first = timing.next_due(instant.replace(tzinfo=UTC))
    assert first is not None
    second = timing.next_due(first)
    assert second is not None
    assert second > first
    for instant in (first + (second - first) / 3, second - timedelta(microseconds=1)):
        assert timing.next_due(instant) == second


def test_the_walk_itself_is_right_about_a_fixed_job_in_new_york() -> None:
    # 8 March 2026: 01:59:59 -05:00 is followed by 03:00:00 -04:00
    ticks = timeline("America/New_York", datetime(2026, 3, 8, tzinfo=UTC), 48)
    due = Expression("30 2 * * *").due(ticks)
    assert due == [datetime(2026, 3, 8, 7, 0, tzinfo=UTC), datetime(2026, 3, 9, 6, 30, tzinfo=UTC)]
    assert bisect_left(due, due[0]) == 0
