"""What `check` tells of valid schedules."""

from __future__ import annotations

from datetime import UTC, datetime

from scheduler.validate.advice import MANY_AT_MINUTE_0, advise
from tests.support.schedules import declared

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def told(*names_and_fields: tuple[str, dict[str, str]]) -> list[str]:
    wanted = {name: declared(name, None, **fields) for name, fields in names_and_fields}
    return [str(found) for found in advise(wanted, NOW)]


def test_a_run_that_a_clock_change_moves_is_told_with_its_day_and_the_answer() -> None:
    # New York: UTC-5 to UTC-4 on 14 March 2027 at 02:00.
    (found,) = told(("report", {"cron": "30 2 * * *", "timezone": "America/New_York"}))
    assert found.startswith("warning: schedule 'report': on 14 March 2027 the clocks go forward from 02:00 to 03:00")
    assert "timezone: UTC" in found


def test_a_run_outside_the_change_is_not_told() -> None:
    assert told(("report", {"cron": "30 9 * * *", "timezone": "America/New_York"})) == []


def test_an_interval_that_does_not_divide_a_day_is_told() -> None:
    (found,) = told(("sweep", {"every": "7h"}))
    assert "every 7 hours does not divide a day" in found
    assert told(("sweep", {"every": "8h"})) == []


def test_a_timeout_of_no_time_is_told_to_be_no_limit() -> None:
    (found,) = told(("sweep", {"every": "8h", "timeout": "0s"}))
    assert found == "warning: schedule 'sweep': a timeout of 0s is no limit — write none, or one such as 10m"
    assert told(("sweep", {"every": "8h", "timeout": "none"})) == []


def test_a_crowded_minute_0_is_told_once_with_the_way_to_spread_it() -> None:
    crowd = [(f"job-{number}", {"cron": "0 * * * *"}) for number in range(MANY_AT_MINUTE_0)]
    (found,) = told(*crowd)
    assert f"{MANY_AT_MINUTE_0} schedules run at minute 0" in found
    assert "write ~ as the minute" in found
    assert told(*crowd[1:]) == []
    spread = [(name, {**fields, "jitter": "10m"}) for name, fields in crowd]
    assert told(*spread) == []
