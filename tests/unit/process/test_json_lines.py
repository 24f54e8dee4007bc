"""Log lines as JSON: one object a line, whatever the record says."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

from scheduler.process.json_lines import JsonLines


def line(message: str, *arguments: object, exc_info: Any = None, **extra: object) -> dict[str, Any]:
    """The object of one record; AssertionError if it takes more than a line."""
    record = logging.LogRecord("reports", logging.WARNING, __file__, 1, message, arguments, exc_info)
    record.created = 1_767_323_045.5
    record.__dict__ |= extra
    text = JsonLines().format(record)
    assert "\n" not in text
    found: dict[str, Any] = json.loads(text)
    return found


def test_a_line_has_its_time_in_utc_its_level_its_logger_and_its_message() -> None:
    assert line("%d files\nof %s", 3, "“a”") == {
        "time": "2026-01-02T03:04:05.500+00:00",
        "level": "WARNING",
        "logger": "reports",
        "message": "3 files\nof “a”",
    }


def test_an_event_about_a_run_names_its_schedule_and_its_due_instant() -> None:
    run = "nightly@manual-2026-01-02T03:04:05Z"
    found = line("Sent", event="run.sent", fields={"run": run})
    assert (found["event"], found["run"]) == ("run.sent", run)
    assert (found["schedule"], found["due"]) == ("nightly", "2026-01-02T03:04:05Z")


def test_an_event_about_a_schedule_has_no_run() -> None:
    found = line("Quarantined", event="entry.quarantined", fields={"schedule": "nightly"})
    assert found["schedule"] == "nightly"
    assert found.keys().isdisjoint({"run", "due"})


def test_fields_of_a_user_who_logs_other_things_under_our_names_do_no_harm() -> None:
    assert line("mine", fields=[1], event=7)["event"] == "7"


def test_a_traceback_stays_on_the_line() -> None:
    try:
        raise ValueError("the disk\nis full")
    except ValueError:
        found = line("it failed", exc_info=sys.exc_info())
    assert found["message"] == "it failed"
    assert found["traceback"].endswith("ValueError: the disk\nis full")
