"""Recurrence rules: the same occurrences as dateutil, on the clock of the schedule's zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.timing import TimingError, build, get_zone
from tests.support.timings import kept_between

START = datetime(2026, 1, 7, 9, 30, tzinfo=UTC)


def due(text: str, zone: str = "UTC", after: str = "2026-01-01T00:00+00:00", count: int = 3) -> str:
    timing = build("rrule", text, zone=zone)
    moments = islice(kept_between(timing, datetime.fromisoformat(after), datetime(2200, 1, 1, tzinfo=UTC)), count)
    return " ".join(f"{moment.astimezone(get_zone(zone)):%y-%m-%dT%H:%M%z}" for moment in moments)


def numbers(*choices: str) -> st.SearchStrategy[str]:
    return st.sampled_from(["", *(f";{choice}" for choice in choices)])


SLOW = st.tuples(
    st.sampled_from(["YEARLY", "MONTHLY", "WEEKLY", "DAILY"]),
    numbers("INTERVAL=5", "INTERVAL=11", "INTERVAL=13"),
    numbers("BYMONTH=1,6,12", "BYMONTH=3", "BYMONTH=2,9"),
    numbers("BYMONTHDAY=1,15", "BYMONTHDAY=-1", "BYMONTHDAY=3,-3,28", "BYDAY=MO", "BYDAY=SA,SU,WE", "BYDAY=TU,TH"),
    numbers("BYHOUR=9", "BYHOUR=0,12,23"),
    numbers("BYMINUTE=0", "BYMINUTE=15,45"),
    numbers("BYSECOND=0,30"),
    numbers("WKST=SU", "WKST=TH"),
).map(lambda parts: f"FREQ={''.join(parts)}")
YEARS = st.tuples(
    numbers("INTERVAL=3"),
    st.sampled_from(
        [
            "BYDAY=1MO",
            "BYDAY=-1FR,2TU",
            "BYDAY=53TH",
            "BYMONTH=4,11;BYDAY=-2SU",
            "BYYEARDAY=1,100,-1",
            "BYWEEKNO=1;BYDAY=MO",
            "BYWEEKNO=20,53",
            "BYWEEKNO=-1;BYDAY=SU;WKST=SU",
            "BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1,-1",
            "BYMONTHDAY=13;BYDAY=FR",
        ]
    ),
).map(lambda parts: f"FREQ=YEARLY{parts[0]};{parts[1]}")
MONTHS = st.sampled_from(
    [
        "FREQ=MONTHLY;BYDAY=1MO,-1FR",
        "FREQ=MONTHLY;INTERVAL=5;BYDAY=5SA",
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
        "FREQ=MONTHLY;BYMONTHDAY=31",
        "FREQ=MONTHLY;BYMONTHDAY=1,15;BYHOUR=8,20;BYSETPOS=2,-1",
    ]
)
FAST = st.tuples(
    st.sampled_from(["HOURLY", "MINUTELY"]),
    numbers("INTERVAL=11", "INTERVAL=13", "INTERVAL=61"),
    # dateutil looks at every minute of the days between: rules that match less often would take it minutes.
    numbers("BYMONTH=1,3", "BYDAY=MO,FR", "BYMONTHDAY=1,-1"),
    numbers("BYHOUR=9", "BYHOUR=0,12,23"),
    numbers("BYMINUTE=10,20,30,40,50"),
).map(lambda parts: f"FREQ={''.join(parts)}") | st.sampled_from(
    ["FREQ=SECONDLY;INTERVAL=7", "FREQ=SECONDLY;INTERVAL=7;BYMINUTE=30", "FREQ=SECONDLY;BYSECOND=5,10"]
)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(st.one_of(SLOW, YEARS, MONTHS, FAST), st.integers(0, 4000))
def test_occurrences_are_those_of_dateutil(text: str, days: int) -> None:
    theirs = rrulestr(f"DTSTART:20260107T093000\nRRULE:{text}")
    timing = build("rrule", f"DTSTART:20260107T093000\nRRULE:{text}")
    expected = [moment.replace(tzinfo=UTC) for moment in islice(theirs, 6)]
    assert list(islice(kept_between(timing, START - timedelta(1), START.replace(year=9000)), 6)) == expected
    if "SECONDLY" not in text and "MINUTELY" not in text:
        after = START + timedelta(days)
        following = theirs.after(after.replace(tzinfo=None))
        assert timing.next_due(after) == (None if following is None else following.replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        # 2026-03-29: 01:59:59 +01:00 is followed by 03:00:00 +02:00
        ("FREQ=DAILY;BYHOUR=2;BYMINUTE=30", "2026-03-28T12:00+00:00", "26-03-29T03:00+0200 26-03-30T02:30+0200"),
        ("FREQ=DAILY;BYHOUR=2,3", "2026-03-28T12:00+00:00", "26-03-29T03:00+0200 26-03-30T02:00+0200"),
        # 2026-10-25: 02:59:59 +02:00 is followed by 02:00:00 +01:00
        ("FREQ=DAILY;BYHOUR=2;BYMINUTE=30", "2026-10-24T12:00+00:00", "26-10-25T02:30+0200 26-10-26T02:30+0100"),
        ("FREQ=WEEKLY;BYDAY=SU;BYHOUR=2", "2026-10-25T01:00+00:00", "26-11-01T02:00+0100 26-11-08T02:00+0100"),
    ],
)
def test_wall_times_are_mapped_as_for_at(text: str, after: str, expected: str) -> None:
    assert due(text, "Europe/Berlin", after, 2) == expected


def test_a_day_that_the_date_line_took_runs_right_after() -> None:
    # 2011-12-29: 23:59:59 -10:00 is followed by 00:00:00 +14:00 on the 31st
    found = due("FREQ=DAILY;BYHOUR=12", "Pacific/Apia", "2011-12-29T00:00+00:00")
    assert found == "11-12-29T12:00-1000 11-12-31T00:00+1400 11-12-31T12:00+1400"


def test_intervals_count_from_dtstart_else_from_the_start_else_from_1970() -> None:
    weekly = "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO;BYHOUR=9"
    assert due(f"DTSTART:20260105T000000 RRULE:{weekly}", count=2) == "26-01-05T09:00+0000 26-01-19T09:00+0000"
    assert due(f"DTSTART:20260112T000000 RRULE:{weekly}", count=2) == "26-01-12T09:00+0000 26-01-26T09:00+0000"
    started = build("rrule", weekly, start=datetime(2026, 1, 12, tzinfo=UTC))
    assert started.next_due(datetime(2020, 1, 1, tzinfo=UTC)) == datetime(2026, 1, 12, 9, tzinfo=UTC)
    assert due(weekly, count=1) == "26-01-12T09:00+0000"


def test_dtstart_in_utc_is_wall_time_in_the_zone() -> None:
    assert due("DTSTART:20260107T120000Z RRULE:FREQ=DAILY", "Asia/Tokyo", count=1) == "26-01-07T21:00+0900"
    assert (
        due("DTSTART;TZID=Asia/Tokyo:20260107T120000 RRULE:FREQ=DAILY", "Asia/Tokyo", count=1) == "26-01-07T12:00+0900"
    )


def test_count_and_until_end_the_rule() -> None:
    assert due("DTSTART:20260107T090000 RRULE:FREQ=DAILY;COUNT=2", count=9) == "26-01-07T09:00+0000 26-01-08T09:00+0000"
    assert due("DTSTART:20260107T090000 RRULE:FREQ=DAILY;UNTIL=20260108", count=9).endswith("26-01-08T09:00+0000")
    until = "DTSTART:20260107T090000 RRULE:FREQ=DAILY;UNTIL=20260108T000000Z"
    assert due(until, "Asia/Tokyo", count=9).endswith("26-01-08T09:00+0900")


def test_sparse_rules_are_found() -> None:
    assert due("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29", count=2) == "28-02-29T00:00+0000 32-02-29T00:00+0000"
    assert due("FREQ=SECONDLY;INTERVAL=7;BYMONTH=2;BYMONTHDAY=29;BYHOUR=3;BYMINUTE=0;BYSECOND=0", count=1) != ""
    assert due("DTSTART:20240101T000000 RRULE:FREQ=YEARLY;INTERVAL=4;BYYEARDAY=366", count=1) == "28-12-31T00:00+0000"


def test_a_rule_whose_interval_misses_every_match_is_refused() -> None:
    with pytest.raises(TimingError, match="never fires"):
        build("rrule", "DTSTART:20250101T000000 RRULE:FREQ=YEARLY;INTERVAL=4;BYYEARDAY=366")
