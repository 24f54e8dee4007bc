"""RedBeat's JSON: what other programs wrote with Celery's types, and what they can read of ours."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from celery.schedules import crontab, schedule
from hypothesis import given, settings
from hypothesis import strategies as st
from redbeat.decoder import RedBeatJSONDecoder, RedBeatJSONEncoder
from redbeat.schedules import rrule

from scheduler.timing import TimingError, build, from_redbeat, get_zone, to_redbeat
from tests.support.timings import kept_between

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)


def written(value: Any) -> Any:
    """What RedBeat's own encoder stores."""
    return json.loads(json.dumps(value, cls=RedBeatJSONEncoder))


def loaded(value: Any) -> Any:
    """What RedBeat's own decoder makes of it."""
    return json.loads(json.dumps(value), cls=RedBeatJSONDecoder)


def test_an_interval_counts_from_the_last_run() -> None:
    timing = from_redbeat(written(schedule(run_every=90)), "Europe/Berlin")
    assert timing.next_due(JANUARY + timedelta(seconds=7)) == JANUARY + timedelta(seconds=97)
    assert timing.words() == "Every 1 minute 30 seconds after the last run"
    assert timing.kind == "redbeat"


def test_a_bare_number_is_an_interval_in_seconds() -> None:
    assert from_redbeat(30.0, "UTC").next_due(JANUARY) == JANUARY + timedelta(seconds=30)
    assert from_redbeat(30.0, "UTC") == from_redbeat(written(schedule(run_every=30)), "UTC")


@pytest.mark.parametrize(
    ("every", "expected"),
    [
        (timedelta(days=1), "2026-01-02T00:00"),
        (timedelta(hours=1), "2026-01-01T11:00"),
        (timedelta(minutes=10), "2026-01-01T10:27"),
        (timedelta(seconds=10), "2026-01-01T10:17:40"),
    ],
)
def test_a_relative_interval_is_rounded_down_to_its_unit_on_the_wall(every: timedelta, expected: str) -> None:
    zone = get_zone("Asia/Kathmandu")
    last = datetime.fromisoformat("2026-01-01T10:17:30").replace(tzinfo=zone)
    timing = from_redbeat(written(schedule(run_every=every, relative=True)), "Asia/Kathmandu")
    assert timing.next_due(last) == datetime.fromisoformat(expected).replace(tzinfo=zone)


@pytest.mark.parametrize(
    ("every", "last", "expected"),
    [
        (1.0, "10:00:00.200000", "10:00:01"),
        (1.5, "10:00:00.400000", "10:00:01"),
        (30.0, "10:00:00.900000", "10:00:30"),
        (0.5, "10:00:00.700000", "10:00:01"),
        (0.5, "10:00:00.100000", "10:00:00.600000"),
        (0.25, "10:00:00", "10:00:00.250000"),
    ],
)
def test_a_relative_interval_of_seconds_is_rounded_as_celery_does(every: float, last: str, expected: str) -> None:
    began, due = (datetime.fromisoformat(f"2026-01-01T{time}+00:00") for time in (last, expected))
    theirs = schedule(run_every=every, relative=True)
    assert from_redbeat(written(theirs)).next_due(began) == due
    theirs.nowfun = lambda: began
    rest = theirs.remaining_estimate(began)
    assert began + rest == due or rest <= timedelta(0)


@pytest.mark.parametrize(
    ("zone", "every", "last", "expected"),
    [
        ("Europe/Berlin", timedelta(days=1), "2026-10-25T00:00", ["2026-10-26T00:00", "2026-10-27T00:00"]),
        ("Europe/Berlin", timedelta(days=7), "2026-10-24T00:00", ["2026-10-31T00:00", "2026-11-07T00:00"]),
        ("America/New_York", timedelta(days=1), "2026-03-07T23:30", ["2026-03-08T00:00", "2026-03-09T00:00"]),
        ("Australia/Lord_Howe", timedelta(hours=1), "2026-10-04T01:15", ["2026-10-04T02:30", "2026-10-04T03:00"]),
    ],
)
def test_a_relative_interval_keeps_to_the_wall_through_clock_changes(
    zone: str, every: timedelta, last: str, expected: list[str]
) -> None:
    def instant(text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=get_zone(zone)).astimezone(UTC)

    timing = from_redbeat(written(schedule(run_every=every, relative=True)), zone)
    first = timing.next_due(instant(last))
    assert first is not None
    assert [first, timing.next_due(first)] == [instant(text) for text in expected]


def test_a_crontab_ands_its_day_fields() -> None:
    timing = from_redbeat(written(crontab(minute="0", hour="9", day_of_month="13", day_of_week="fri")), "UTC")
    assert timing.next_due(JANUARY) == datetime(2026, 2, 13, 9, tzinfo=UTC)


def test_a_crontab_has_no_hole_and_is_never_late_around_a_clock_change() -> None:
    # 2026-11-01: 01:59:59 -04:00 is followed by 01:00:00 -05:00
    quarters = from_redbeat(written(crontab(minute="*/15")), "America/New_York")
    due = list(kept_between(quarters, datetime(2026, 11, 1, 4, tzinfo=UTC), datetime(2026, 11, 1, 8, tzinfo=UTC)))
    assert {(later - earlier).seconds for earlier, later in pairwise(due)} == {900}
    daily = from_redbeat(written(crontab(minute="30", hour="1")), "America/New_York")
    assert daily.next_due(datetime(2026, 11, 1, 6, 40, tzinfo=UTC)) == datetime(2026, 11, 2, 6, 30, tzinfo=UTC)


FIELD: dict[str, list[Any]] = {
    "minute": ["*", "*/7", "0", "50-10", "5,10-20/3", [0, 30], 7, "59"],
    "hour": ["*", "*/5", "22-2", "8-18/2", "3", [1, 2]],
    "day_of_month": ["*", "*/2", "1-7,15-21", "31", "13"],
    "month_of_year": ["*", "*/3", "nov-feb", "January", "2-12/2"],
    "day_of_week": ["*", "mon-fri", "sat,sun", "thursday", "*/2", "fri-mon", "0", "mon#1", "tue/2"],
}


@settings(max_examples=300, deadline=None)
@given(st.fixed_dictionaries({field: st.sampled_from(choices) for field, choices in FIELD.items()}))
def test_a_crontab_matches_what_celery_matches(fields: dict[str, Any]) -> None:
    try:
        theirs = crontab(**fields)
    except ValueError:
        with pytest.raises(TimingError):
            from_redbeat({"__type__": "crontab", **fields}, "UTC")
        return
    timing = from_redbeat(written(theirs), "UTC")
    after = JANUARY
    for _ in range(5):
        _, delta, _ = theirs.remaining_delta(after, tz=UTC)
        due = timing.next_due(after)
        assert due == after + delta
        assert due is not None
        after = due


@pytest.mark.parametrize(
    "given_rule",
    [
        {"freq": "MONTHLY", "dtstart": JANUARY, "bymonthday": [1, -1], "byhour": 9},
        {"freq": "WEEKLY", "dtstart": JANUARY, "interval": 2, "byweekday": [0, 4], "wkst": 6},
        {"freq": "DAILY", "dtstart": JANUARY.astimezone(get_zone("Asia/Kolkata")), "count": 5},
        {"freq": "YEARLY", "dtstart": JANUARY, "byeaster": [0, 1]},
        {"freq": "HOURLY", "dtstart": JANUARY, "until": JANUARY + timedelta(hours=3)},
        {"freq": "MONTHLY", "dtstart": JANUARY, "byweekday": [0, 1, 2, 3, 4], "bysetpos": -1},
    ],
)
def test_an_rrule_has_the_instants_that_redbeat_computes(given_rule: dict[str, Any]) -> None:
    theirs = rrule(**given_rule)
    timing = from_redbeat(written(theirs), "Europe/Berlin")
    expected = [moment.astimezone(UTC) for moment in theirs.rrule[:8]]
    assert list(kept_between(timing, JANUARY - timedelta(1), JANUARY.replace(year=2060)))[: len(expected)] == expected
    if given_rule.get("count"):
        assert timing.next_due(expected[-1]) is None


def test_a_weekday_object_in_an_rrule_is_read() -> None:
    monday = {"__type__": "weekday", "wkday": 0}
    timing = from_redbeat({"__type__": "rrule", "freq": 2, "dtstart": 1767225600, "byweekday": monday}, "UTC")
    assert timing.next_due(JANUARY) == datetime(2026, 1, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"__type__": "sundial"},
        {"__type__": "interval"},
        {"__type__": "interval", "every": 0, "relative": False},
        {"__type__": "interval", "every": "nan", "relative": False},
        {"__type__": "interval", "every": 1e300, "relative": False},
        {"__type__": "interval", "every": None, "relative": False},
        {"__type__": "crontab", "minute": "61"},
        {"__type__": "crontab", "minute": "*/0"},
        {"__type__": "crontab", "minute": {"a": 1}},
        {"__type__": "crontab", "minute": "1" * 100},
        {"__type__": "crontab", "day_of_week": "7"},
        {"__type__": "crontab", "day_of_month": "31", "month_of_year": "2"},
        {"__type__": "rrule"},
        {"__type__": "rrule", "freq": "OFTEN"},
        {"__type__": "rrule", "freq": 9},
        {"__type__": "rrule", "freq": 3, "dtstart": 1e300},
        {"__type__": "rrule", "freq": 3, "byhour": "x"},
        {"__type__": "rrule", "freq": 3, "byhour": [25]},
        {"__type__": "rrule", "freq": 3, "interval": 0},
        {"__type__": "rrule", "freq": 3, "interval": -1},
        {"__type__": "rrule", "freq": 3, "count": -1},
        {"__type__": "solar", "event": "teatime", "lat": 0, "lon": 0},
        float("nan"),
        float("inf"),
        -1.0,
    ],
)
def test_what_celery_could_not_use_is_refused(wrong: Any) -> None:
    with pytest.raises(TimingError) as refusal:
        from_redbeat(wrong, "UTC")
    assert refusal.value.field in ("schedule", "solar")


def test_every_becomes_an_interval() -> None:
    stored = to_redbeat(build("every", "1m30s"), JANUARY)
    assert stored == {"__type__": "interval", "every": 90.0, "relative": False}
    assert loaded(stored) == schedule(run_every=90)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30 2 * * 1-5", ("30", "2", "*", "*", "1-5")),
        ("*/15 9-17 ? jan,MAR fri", ("*/15", "9-17", "*", "JAN,MAR", "FRI")),
        ("5/20 0 * * 5-7", ("5,25,45", "0", "*", "*", "0,5,6")),
        ("0 0 * * 7", ("0", "0", "*", "*", "0")),
        ("0 0 */2 * MON", ("0", "0", "*/2", "*", "MON")),
        ("0 0 1 */3 *", ("0", "0", "1", "*/3", "*")),
        ("@hourly", ("0", "*", "*", "*", "*")),
        ("0 30 2 * * *", ("30", "2", "*", "*", "*")),
    ],
)
def test_a_plain_cron_expression_becomes_a_crontab_with_the_same_days(text: str, expected: tuple[str, ...]) -> None:
    timing = build("cron", text)
    stored = to_redbeat(timing, JANUARY)
    fields = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
    assert tuple(stored[field] for field in fields) == expected
    theirs = loaded(stored)
    assert isinstance(theirs, crontab)
    again = from_redbeat(stored, "UTC")
    after, until = JANUARY, JANUARY + timedelta(days=60)
    assert list(kept_between(again, after, until)) == list(kept_between(timing, after, until))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("cron", "0 0 13 * 5"),
        ("cron", "0 0 L * *"),
        ("cron", "0 0 15W * *"),
        ("cron", "0 0 * * 5L"),
        ("cron", "0 0 * * MON#1"),
        ("cron", "15 0 0 * * *"),
        ("at", "2026-06-01T12:00"),
        ("rrule", "FREQ=MONTHLY;BYDAY=-1FR"),
        ("solar", "sunset 52.52 13.40"),
    ],
)
def test_anything_else_becomes_the_one_instant_that_is_due(kind: str, text: str) -> None:
    if kind == "solar":
        pytest.importorskip("ephem")
    due = datetime(2026, 6, 1, 12, tzinfo=UTC)
    theirs = loaded(to_redbeat(build(kind, text), due))
    assert isinstance(theirs, rrule)
    assert list(theirs.rrule) == [due]


def test_what_is_never_due_again_is_never_due_for_redbeat_either() -> None:
    theirs = loaded(to_redbeat(build("at", "2026-06-01T12:00"), None))
    assert theirs.rrule.after(JANUARY) is None


def test_a_foreign_schedule_is_written_back_as_it_was() -> None:
    stored = written(crontab(minute="*/15"))
    assert to_redbeat(from_redbeat(stored, "UTC"), JANUARY) == stored
