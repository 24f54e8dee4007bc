"""What every kind of timing shares: start, end, excluded days, jitter, previous, and being a value."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scheduler.timing import Timing, TimingError, build
from tests.support.timings import due_between, kept_between

JUNE = datetime(2026, 6, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
MICROSECOND = timedelta(microseconds=1)


def test_every_is_anchored_at_the_epoch_whoever_asks() -> None:
    timing = build("every", "7h")
    due = timing.next_due(JUNE)
    assert due is not None
    assert (due - datetime(1970, 1, 1, tzinfo=UTC)) % timedelta(hours=7) == timedelta(0)
    assert timing.next_due(due - MICROSECOND) == due
    assert timing.next_due(due) == due + timedelta(hours=7)


def test_every_is_anchored_at_its_start() -> None:
    start = JUNE + timedelta(minutes=7, microseconds=3)
    timing = build("every", "1h", start=start)
    assert timing.next_due(datetime(2020, 1, 1, tzinfo=UTC)) == start
    assert timing.next_due(start) == start + HOUR


def test_every_ignores_clock_changes() -> None:
    timing = build("every", "6h", zone="Europe/Berlin")
    due = list(kept_between(timing, datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 3, 30, tzinfo=UTC)))
    assert {later - earlier for earlier, later in pairwise(due)} == {6 * HOUR}


def test_every_may_be_shorter_than_a_second_and_does_not_drift() -> None:
    timing = build("every", "333ms")
    due = list(kept_between(timing, JUNE, JUNE + timedelta(seconds=10)))
    assert {later - earlier for earlier, later in pairwise(due)} == {timedelta(milliseconds=333)}
    far = timing.next_due(datetime(2526, 6, 1, tzinfo=UTC))
    assert far is not None
    assert (far - due[0]) % timedelta(milliseconds=333) == timedelta(0)


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2026-12-24T18:00", "UTC", "2026-12-24T18:00+00:00"),
        ("2026-12-24 18:00", "Europe/Berlin", "2026-12-24T17:00+00:00"),
        ("2026-12-24T18:00:30.5Z", "Europe/Berlin", "2026-12-24T18:00:30.500+00:00"),
        ("2026-12-24T18:00-05:00", "Europe/Berlin", "2026-12-24T23:00+00:00"),
        ("2026-12-24 18:00 +0530", "Europe/Berlin", "2026-12-24T12:30+00:00"),
        # 2026-03-29: 01:59:59 +01:00 is followed by 03:00:00 +02:00: right after the gap
        ("2026-03-29T02:30", "Europe/Berlin", "2026-03-29T01:00+00:00"),
        # 2026-10-25: 02:59:59 +02:00 is followed by 02:00:00 +01:00: the first of both
        ("2026-10-25T02:30", "Europe/Berlin", "2026-10-25T00:30+00:00"),
        # 2011-12-30 does not exist in Apia: right after
        ("2011-12-30T12:00", "Pacific/Apia", "2011-12-30T10:00+00:00"),
    ],
)
def test_at_is_one_instant(text: str, zone: str, expected: str) -> None:
    timing = build("at", text, zone=zone)
    due = datetime.fromisoformat(expected)
    assert timing.next_due(datetime(1990, 1, 1, tzinfo=UTC)) == due
    assert timing.next_due(due - MICROSECOND) == due
    assert timing.next_due(due) is None


def test_start_and_end_are_both_included() -> None:
    timing = build("cron", "0 12 * * *", start=JUNE + 12 * HOUR, end=JUNE + 60 * HOUR)
    due = list(kept_between(timing, datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)))
    assert due == [JUNE + 12 * HOUR, JUNE + 36 * HOUR, JUNE + 60 * HOUR]
    assert timing.next_due(due[-1]) is None


def test_between_leaves_out_its_beginning_and_takes_in_its_end() -> None:
    timing = build("every", "1h")
    assert list(kept_between(timing, JUNE, JUNE + 2 * HOUR)) == [JUNE + HOUR, JUNE + 2 * HOUR]


def test_an_excluded_day_is_left_out_in_the_zone_of_the_schedule() -> None:
    # 2026-06-03 in Tokyo is 2026-06-02T15:00Z to 2026-06-03T15:00Z
    timing = build("cron", "0 */12 * * *", zone="Asia/Tokyo", excluded=("2026-06-03",))
    after, until = datetime(2026, 6, 2, tzinfo=UTC), datetime(2026, 6, 4, tzinfo=UTC)
    raw, kept = list(due_between(timing, after, until)), list(kept_between(timing, after, until))
    assert [due for due in raw if timing.is_excluded(due)] == [
        datetime(2026, 6, 2, 15, tzinfo=UTC),
        datetime(2026, 6, 3, 3, tzinfo=UTC),
    ]
    assert kept == [due for due in raw if not timing.is_excluded(due)]
    assert timing.next_due(datetime(2026, 6, 2, 12, tzinfo=UTC)) == datetime(2026, 6, 2, 15, tzinfo=UTC)
    assert timing.next_after(datetime(2026, 6, 2, 12, tzinfo=UTC)) == datetime(2026, 6, 3, 15, tzinfo=UTC)


def test_an_excluded_day_costs_one_step_however_often_the_job_runs() -> None:
    timing = build("cron", "* * * * * *", excluded=("FREQ=MONTHLY;BYMONTHDAY=2,3,4,5,6,7,8,9,10",))
    assert timing.next_after(datetime(2026, 6, 1, 23, 59, 59, tzinfo=UTC)) == datetime(2026, 6, 11, tzinfo=UTC)


def test_calendars_may_hold_rules() -> None:
    rules = ("RRULE:FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=25", "FREQ=WEEKLY;BYDAY=SA,SU", "2026-12-24")
    timing = build("cron", "0 9 * * *", zone="Europe/Berlin", excluded=rules)
    days = [
        due.day for due in kept_between(timing, datetime(2026, 12, 20, tzinfo=UTC), datetime(2026, 12, 30, tzinfo=UTC))
    ]
    assert days == [21, 22, 23, 28, 29]


def test_excluding_the_repeated_last_hour_of_a_day_leaves_the_next_day_alone() -> None:
    # 2018-02-17: 23:59:59 -02:00 is followed by 23:00:00 -03:00 on the 17th
    timing = build("cron", "*/30 * * * *", zone="America/Sao_Paulo", excluded=("2018-02-17",))
    assert timing.next_after(datetime(2018, 2, 17, 12, tzinfo=UTC)) == datetime(2018, 2, 18, 3, tzinfo=UTC)


def test_a_search_never_goes_back_where_the_clocks_repeat_the_minutes_around_midnight() -> None:
    # 2006-10-29: 00:00:59 -02:30 is followed by 23:01:00 -03:30 on the 28th
    timing = build("cron", "*/30 * * * *", zone="America/St_Johns", excluded=("2006-10-28",))
    assert timing.next_after(datetime(2006, 10, 29, 2, 20, tzinfo=UTC)) == datetime(2006, 10, 29, 2, 30, tzinfo=UTC)
    assert timing.next_after(datetime(2006, 10, 29, 2, 45, tzinfo=UTC)) == datetime(2006, 10, 29, 3, 30, tzinfo=UTC)


def test_instants_of_other_zones_are_the_same_instants() -> None:
    timing = build("cron", "30 2 * * *", zone="Europe/Berlin")
    tokyo = timezone(9 * HOUR)
    assert timing.next_due(JUNE.astimezone(tokyo)) == timing.next_due(JUNE)
    assert build("every", "1h", start=JUNE.astimezone(tokyo)) == build("every", "1h", start=JUNE)


def test_an_instant_without_a_zone_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="has no time zone: pass an aware UTC datetime"):
        build("cron", "30 2 * * *").next_due(datetime(2026, 6, 1))  # noqa: DTZ001 - that is the mistake


TIMINGS = st.sampled_from(
    [
        build("cron", "30 2 * * *", zone="America/New_York"),
        build("cron", "*/15 9-17 * * 1-5", zone="Europe/Berlin", excluded=("2026-06-01", "FREQ=WEEKLY;BYDAY=TU")),
        build("cron", "0 0 29 2 *"),
        build("every", "7m"),
        build("every", "45d", start=JUNE),
        build("at", "2026-06-01T12:00"),
        build("rrule", "FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17", zone="Asia/Tokyo"),
        build("rrule", "FREQ=WEEKLY;INTERVAL=3;COUNT=30", start=JUNE),
        build("cron", "* * * * * *", start=JUNE, end=JUNE + HOUR),
    ]
)
INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2032, 1, 1)).map(  # noqa: DTZ001 - hypothesis wants naive bounds
    lambda instant: instant.replace(tzinfo=UTC)
)


@settings(max_examples=300, deadline=None)
@given(TIMINGS, INSTANTS)
def test_nothing_is_due_between_an_instant_and_the_next_due_one_for_every_kind(
    timing: Timing, instant: datetime
) -> None:
    following = timing.next_after(instant)
    if following is not None:
        assert following > instant
        for between in (instant + (following - instant) / 3, following - MICROSECOND):
            assert timing.next_after(max(between, instant)) == following


@settings(max_examples=200, deadline=None)
@given(TIMINGS, INSTANTS, st.timedeltas(timedelta(0), timedelta(days=40)), st.text(max_size=5))
def test_jitter_is_stable_and_never_reaches_the_next_due_instant(
    timing: Timing, instant: datetime, jitter: timedelta, name: str
) -> None:
    try:
        spread = build(
            timing.kind, timing.text, zone=timing.zone, name=name, start=timing.start, end=timing.end, jitter=jitter
        )
    except TimingError:
        assume(False)
    due = spread.next_due(instant)
    assume(due is not None)
    assert due is not None
    sent, following = spread.send_at(due), spread.next_due(due)
    assert sent == spread.send_at(due)
    assert due <= sent <= due + jitter
    assert following is None or sent < following


def test_jitter_spreads_names_and_instants() -> None:
    names = [build("every", "1h", name=str(number), jitter=timedelta(minutes=10)) for number in range(100)]
    delays = sorted(timing.send_at(JUNE) - JUNE for timing in names)
    assert delays[0] < timedelta(minutes=1)
    assert delays[-1] > timedelta(minutes=9)
    assert len({names[0].send_at(due) - due for due in kept_between(names[0], JUNE, JUNE + 24 * HOUR)}) == 24


def test_jitter_is_the_same_on_every_machine() -> None:
    timing = build("cron", "30 2 * * *", name="nightly-report", jitter=timedelta(minutes=5))
    assert timing.send_at(JUNE) - JUNE == timedelta(seconds=84, microseconds=939_849)


def test_equal_declarations_are_one_object_and_others_differ() -> None:
    timing = build("cron", "30 2 * * *", zone="Europe/Berlin", name="a")
    assert build("cron", " 30 2 * * * ", zone="Europe/Berlin", name="a") is timing
    assert build("cron", "30 2 * * *", zone="Europe/Paris", name="a") != timing
    assert len({timing, build("cron", "30 2 * * *", zone="Europe/Berlin", name="a"), build("every", "1h")}) == 2


def test_a_timing_is_frozen_and_can_be_copied_and_pickled() -> None:
    timing = build("cron", "30 2 * * *", zone="Europe/Berlin", name="a", excluded=("2026-06-01",))
    with pytest.raises(AttributeError):
        timing.text = "* * * * *"  # type: ignore[misc]
    assert copy.deepcopy(timing) == timing
    assert pickle.loads(pickle.dumps(timing)) == timing
    assert pickle.loads(pickle.dumps(timing)).next_after(JUNE) == timing.next_after(JUNE)
