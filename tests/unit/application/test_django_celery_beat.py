"""Rows with the attributes of django-celery-beat's PeriodicTask, as fields of the schedule file."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from scheduler.application.django_celery_beat import read
from scheduler.validate import validate_fields

EMPTY: dict[str, Any] = {
    "name": "job", "task": "a.b", "description": "", "args": "[]", "kwargs": "{}", "headers": "{}",
    "interval": None, "crontab": None, "solar": None, "clocked": None, "queue": None, "exchange": None,
    "routing_key": None, "priority": None, "expires": None, "expire_seconds": None, "one_off": False,
    "start_time": None, "enabled": True, "total_run_count": 0,
}  # fmt: skip
FIVE = SimpleNamespace(every=5, period="minutes")
CRON: dict[str, Any] = {
    "minute": "0", "hour": "*", "day_of_week": "*", "day_of_month": "*", "month_of_year": "*", "timezone": "UTC",
}  # fmt: skip
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def cron(**fields: str) -> dict[str, Any]:
    return {"crontab": SimpleNamespace(**{**CRON, **fields})}


@pytest.mark.parametrize(
    ("row", "fields"),
    [
        ({"interval": FIVE}, {"every": "5m"}),
        ({"interval": SimpleNamespace(every=500000, period="microseconds")}, {"every": "500ms"}),
        (
            cron(hour="9", day_of_week="mon-fri", timezone="Europe/Berlin"),
            {"cron": "0 9 * * mon-fri", "timezone": "Europe/Berlin"},
        ),
        (
            {"solar": SimpleNamespace(event="sunset", latitude="52.52", longitude="13.40")},
            {"solar": "sunset 52.52 13.40"},
        ),
        ({"clocked": SimpleNamespace(clocked_time=NOON), "one_off": True}, {"at": "2030-01-01T12:00:00+00:00"}),
        ({"interval": FIVE, "one_off": True}, {"every": "5m", "max_runs": 1}),
        (
            {"interval": FIVE, "one_off": True, "total_run_count": 1},
            {"every": "5m", "max_runs": 1, "enabled": False},
        ),
        ({"interval": FIVE, "enabled": False}, {"every": "5m", "enabled": False}),
        (
            {"interval": FIVE, "start_time": NOON, "expires": NOON.replace(year=2031)},
            {"every": "5m", "start": "2030-01-01T12:00:00+00:00", "end": "2031-01-01T12:00:00+00:00"},
        ),
        (
            {
                "interval": FIVE,
                "queue": "low",
                "priority": 3,
                "expire_seconds": 90,
                "args": "[1]",
                "kwargs": '{"a": 2}',
            },
            {"every": "5m", "queue": "low", "priority": 3, "expires": "1m30s", "args": [1], "kwargs": {"a": 2}},
        ),
    ],
)
def test_each_column_becomes_a_field_that_passes_the_check(row: dict[str, Any], fields: dict[str, Any]) -> None:
    brought = read([SimpleNamespace(**{**EMPTY, **row})])
    assert brought.problems == ()
    assert brought.fields == {"job": {"task": "a.b", **fields}}
    assert validate_fields("job", brought.fields["job"], tasks=None)[1] == ()


def test_days_that_match_both_day_fields_are_an_rrule_and_said() -> None:
    brought = read([SimpleNamespace(**{**EMPTY, **cron(hour="0", day_of_month="13", day_of_week="5")})])
    assert brought.fields["job"]["rrule"] == "FREQ=DAILY;BYMONTHDAY=13;BYDAY=FR;BYHOUR=0;BYMINUTE=0"
    assert [problem.severity for problem in brought.problems] == ["warning"]
    assert "Celery takes days that match both, cron either" in str(brought.problems[0])


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({}, "it has no schedule — give it one, or delete it"),
        ({"interval": FIVE, "headers": '{"x": 1}'}, "it has headers, for which the file has no word"),
        ({"interval": FIVE, "exchange": "x"}, "it has an exchange, for which"),
        ({"interval": FIVE, "priority": 200}, "its priority is 200 — set 0 to 9"),
        ({"interval": FIVE, "kwargs": "{a}"}, "its kwargs are not JSON"),
        ({"interval": SimpleNamespace(every=1, period="microseconds")}, "is too short"),
        (cron(timezone="Mars/Olympus"), "unknown time zone"),
    ],
)
def test_what_the_file_cannot_say_is_a_problem_with_its_reason(row: dict[str, Any], problem: str) -> None:
    brought = read([SimpleNamespace(**{**EMPTY, **row})])
    assert brought.fields == {}
    (said,) = map(str, brought.problems)
    assert said.startswith("schedule 'job': PeriodicTask: ")
    assert problem in said
