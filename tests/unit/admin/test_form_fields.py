"""The edit form: every field of a schedule as a line of text, and back."""

from __future__ import annotations

from typing import Any

import pytest

from scheduler.admin import forms
from scheduler.admin.form_fields import LINES
from scheduler.model import TIMING_KINDS, Entry, Schedule
from scheduler.model.what_runs import FILE_ONLY, NOTIFYING
from tests.support.schedules import declared, entry_of

EVERYTHING: dict[str, Any] = {
    "timezone": "Europe/Berlin",
    "description": "010: of the day, before",
    "tags": ["a", "1", "with space"],
    "start": "2026-01-01 00:00",
    "end": "2036-01-01 00:00",
    "max_runs": 7,
    "jitter": "30s",
    "except": [],
    "queue": "5",
    "priority": 3,
    "overlap": "queue",
    "max_queued": 4,
    "group": "warehouse",
    "expires": "1h30m",
    "catch_up": "all",
    "catch_up_window": "2d",
    "timeout": "10m",
    "kill_after": "1s",
    "max_memory": "512MB",
    "late_after": "5m",
    "slow_after": "1h",
    "retries": 2,
    "retry_delay": "5s",
    "retry_backoff": "none",
    "retry_jitter": True,
    "retry_for": ["ConnectionError", "a.b.Busy"],
    "on_lost": "rerun",
    "pause_after_failures": 3,
    "then": {"success": ["load"], "always": ["clean", "tell"]},
    "keep_result": "none",
}


FROM_THE_FILE: dict[str, Any] = {"alerts": {"to": ["ops"]}, "ping": "https://hc-ping.com/x"}


def test_every_field_that_the_page_may_set_is_in_the_form() -> None:
    fields = {"except" if name == "except_" else name for name in Schedule.model_fields}
    elsewhere = {"task", "args", "kwargs", "enabled", *TIMING_KINDS}
    elsewhere |= {*FILE_ONLY, *NOTIFYING, "celery_options", "renamed_from"}
    assert {*LINES} == {*EVERYTHING} == fields - elsewhere


def test_what_is_stored_comes_back_from_the_form_as_it_was() -> None:
    entry = entry_of(declared(cron="30 2 * * *", args=[1], **EVERYTHING, **FROM_THE_FILE))
    fields, errors = forms.to_fields(forms.of_entry(entry), entry)
    assert not errors
    again = declared(**{key: value for key, value in forms.merged(entry, fields).items() if value is not None})
    assert again.fields() == entry.fields


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("every weekday at 9", {"cron": "0 9 * * 1-5"}),
        ("30 2 * * *", {"cron": "30 2 * * *"}),
        ("90m", {"every": "90m"}),
        ("2026-12-24 18:00", {"at": "2026-12-24 18:00"}),
        ("FREQ=MONTHLY;BYDAY=-1FR", {"rrule": "FREQ=MONTHLY;BYDAY=-1FR"}),
        ("sunset 52.52 13.40", {"solar": "sunset 52.52 13.40"}),
        ("90", {"every": "90"}),
        ("0 9 * * 1 Asia/Tokyo", {"cron": "0 9 * * 1", "timezone": "Asia/Tokyo"}),
    ],
)
def test_one_box_takes_a_timing_of_any_kind(typed: str, meant: dict[str, str]) -> None:
    fields, _ = forms.to_fields(forms.empty() | {"timing": typed})
    assert {key: fields[key] for key in fields if key in (*TIMING_KINDS, "timezone")} == {"timezone": "UTC", **meant}


def test_words_that_mean_nothing_are_answered_with_examples() -> None:
    _, errors = forms.to_fields(forms.empty() | {"timing": "every fortnight"})
    assert "write it like: " in errors["timing"][0]


def test_a_timing_that_stays_keeps_its_kind() -> None:
    entry = Entry("job", "admin", {"task": "t", "rrule": "RRULE:FREQ=DAILY"})
    fields, _ = forms.to_fields(forms.of_entry(entry), entry)
    assert fields["rrule"] == "RRULE:FREQ=DAILY"
