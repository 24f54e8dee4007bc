"""What Sentry's monitors are told of a timing."""

from __future__ import annotations

import re

import pytest

from scheduler.timing import build, from_redbeat
from scheduler.worker.check_ins import monitor_of


@pytest.mark.parametrize(
    ("kind", "text", "told"),
    [
        ("cron", "30 2 * * MON-FRI", "30 2 * * MON-FRI"),
        ("cron", "@daily", "0 0 * * *"),
        ("cron", "0 0 15 L * *", "0 15 L * *"),
        ("every", "1m", (1, "minute")),
        ("every", "90m", (90, "minute")),
        ("every", "6h", (6, "hour")),
        ("every", "2w", (14, "day")),
    ],
)
def test_a_timing_is_told_in_sentrys_words(kind: str, text: str, told: str | tuple[int, str]) -> None:
    crontab, interval = {"type": "crontab", "value": told}, {"type": "interval", "value": told[0], "unit": told[-1]}
    wanted = crontab if isinstance(told, str) else interval
    assert monitor_of(build(kind, text, zone="Europe/Berlin")) == {"schedule": wanted, "timezone": "Europe/Berlin"}


def test_a_tilde_is_told_as_the_number_that_it_stands_for() -> None:
    monitor = monitor_of(build("cron", "0~59 3 * * *", name="job"))
    assert monitor is not None
    assert re.fullmatch(r"\d+ 3 \* \* \*", monitor["schedule"]["value"])


@pytest.mark.parametrize(
    ("kind", "text"),
    [("every", "30s"), ("every", "90s"), ("cron", "*/10 * * * * *"), ("at", "2026-01-02T03:04:05Z")],
)
def test_of_what_sentry_cannot_say_nothing_is_told(kind: str, text: str) -> None:
    assert monitor_of(build(kind, text)) is None


def test_an_entry_of_another_program_is_told_too() -> None:
    crontab = {"__type__": "crontab", "minute": "5", "hour": "*/2"}
    assert monitor_of(from_redbeat(crontab, "Asia/Tokyo")) == {
        "schedule": {"type": "crontab", "value": "5 */2 * * *"},
        "timezone": "Asia/Tokyo",
    }
    monitor = monitor_of(from_redbeat(120))
    assert monitor is not None
    assert monitor["schedule"] == {"type": "interval", "value": 2, "unit": "minute"}
