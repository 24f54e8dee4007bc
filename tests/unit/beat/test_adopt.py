"""What another program saved with RedBeat's own API, told in our words."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from scheduler.beat.adopt import adopted
from scheduler.model import Entry, Overlaid, Pause
from scheduler.sending.decide import GRACE
from scheduler.storage import entries
from scheduler.storage.entries import DamagedEntry
from tests.support.schedules import DAY, HOUR, MINUTE, NOON, declared, entry_of

INTERVAL = {"__type__": "interval", "every": 3600.0, "relative": False}
CRONTAB = {
    "__type__": "crontab",
    "minute": "0,30",
    "hour": "*",
    "day_of_week": "*",
    "day_of_month": "*",
    "month_of_year": "*",
}
LATER = NOON + HOUR


def theirs(schedule: Any = INTERVAL, last: datetime | None = NOON, **more: Any) -> Entry:
    return Entry("theirs", "redbeat", {"task": "t", "schedule": schedule}, last_run_at=last, **more)


def adopt_theirs(entry: Entry, now: datetime) -> Entry:
    return adopted(entry, {"definition": json.dumps(entry.fields)}, now)


def saved(entry: Entry, **changes: Any) -> Entry:
    """Ours after another program loaded it, set these keys of the definition and saved it, an hour after noon."""
    written = json.loads(entries.encode(entry)["definition"])
    return adopted(entry, {"definition": json.dumps(written | changes)}, LATER)


def test_a_new_entry_is_due_one_interval_after_its_last_run() -> None:
    assert adopt_theirs(theirs(), NOON + 20 * MINUTE).due == NOON + HOUR


def test_a_new_entry_that_never_ran_is_not_sent_off_its_grid() -> None:
    assert adopt_theirs(theirs(last=None), NOON).due == NOON + HOUR
    assert adopt_theirs(theirs(CRONTAB, last=None), NOON + MINUTE).due == NOON + 30 * MINUTE


def test_an_entry_that_is_met_a_little_late_keeps_its_instant() -> None:
    assert adopt_theirs(theirs(), LATER + GRACE).due == LATER


def test_a_new_entry_is_not_sent_for_a_time_when_no_beat_could_know_it() -> None:
    assert adopt_theirs(theirs(CRONTAB), NOON + 70 * MINUTE).due == NOON + 90 * MINUTE


def test_an_entry_that_is_saved_again_while_beat_is_down_keeps_what_it_missed() -> None:
    assert adopt_theirs(theirs(due=LATER), NOON + DAY).due == LATER


def test_an_entry_that_was_set_aside_is_tried_again_once_it_is_saved() -> None:
    assert adopt_theirs(theirs(error="was wrong"), NOON).error == ""


def test_a_schedule_of_redbeat_that_celery_would_not_load_is_refused() -> None:
    with pytest.raises(DamagedEntry, match="61"):
        adopt_theirs(theirs(CRONTAB | {"minute": "61"}), NOON)


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"args": [9]}, {"args": [9]}),
        ({"kwargs": {"a": 1}}, {"kwargs": {"a": 1}}),
        ({"task": "other"}, {"task": "other"}),
        ({"enabled": False}, {"enabled": False}),
        ({"options": {"queue": "slow", "priority": 3}}, {"queue": "slow", "priority": 3}),
        ({"options": {"time_limit": 90}}, {"timeout": "1m30s"}),
        ({"options": {"expires": 20.0}}, {"expires": "20s"}),
        ({"schedule": INTERVAL}, {"every": "1h"}),
        ({"schedule": CRONTAB}, {"every": None, "cron": "0,30 * * * *", "timezone": "UTC"}),
    ],
)
def test_a_change_of_a_file_schedule_becomes_an_overlay(change: dict[str, Any], fields: dict[str, Any]) -> None:
    entry = entry_of(declared())
    after = saved(entry, **change)
    assert {name: note.value for name, note in after.overlay.items()} == fields
    assert {(note.by, note.at) for note in after.overlay.values()} == {("redbeat", LATER.timestamp())}
    expected = {name: value for name, value in (entry.fields | fields).items() if value is not None}
    assert after.fields == expected
    assert after.base == entry.base


def test_an_option_that_was_taken_away_is_taken_away() -> None:
    after = saved(entry_of(declared(queue="slow", timeout="5s")), options={})
    assert not {"queue", "timeout"} & after.fields.keys()


def test_what_redbeat_spells_out_and_the_file_leaves_out_is_left_out() -> None:
    after = saved(entry_of(declared(args=[1], enabled=False)), args=[], enabled=True)
    assert {name: note.value for name, note in after.overlay.items()} == {"args": None, "enabled": None}
    assert after.fields == {"task": "reports.build", "every": "1m"}


def test_a_change_of_an_admin_schedule_is_its_new_declaration() -> None:
    after = saved(entry_of(declared(), "admin"), args=[9])
    assert (after.fields["args"], after.overlay) == ([9], {})


def test_a_change_of_something_else_leaves_the_due_instant_alone() -> None:
    entry = entry_of(declared())
    assert saved(entry, args=[9]).due == entry.due


def test_a_new_timing_is_due_next_after_now() -> None:
    assert saved(entry_of(declared()), schedule=CRONTAB).due == LATER + 30 * MINUTE


def test_a_schedule_that_is_enabled_again_is_due_next_after_now() -> None:
    disabled = replace(entry_of(declared(enabled=False)), due=None)
    assert saved(disabled, enabled=True).due == LATER + MINUTE


def test_enabling_a_paused_schedule_ends_the_pause_so_that_beat_records_it() -> None:
    entry = entry_of(declared(), pause=Pause("ann", 1.0, "note"))
    after = saved(entry, enabled=True)
    assert after == replace(entry, pause=Pause("ann", 1.0, "note", until=LATER.timestamp()))
    assert saved(entry, args=[9]).pause == entry.pause


def test_a_change_back_to_what_the_file_says_takes_the_overlay_away() -> None:
    entry = entry_of(declared(args=[1]))
    assert saved(saved(entry, args=[9]), args=[1]) == entry


def test_what_the_page_set_stays_beside_what_another_program_sets() -> None:
    entry = entry_of(declared())
    entry = replace(entry, fields=entry.fields | {"queue": "fast"}, overlay={"queue": Overlaid("fast", "ann", 1.0)})
    after = saved(entry, args=[9])
    assert {name: note.by for name, note in after.overlay.items()} == {"queue": "ann", "args": "redbeat"}


@pytest.mark.parametrize(
    "timing",
    [
        {"at": "2026-03-05 12:00"},
        {"cron": "0 0 13 * 5"},
        {"cron": "30 0 0 * * *"},
        {"rrule": "FREQ=MONTHLY;BYDAY=-1FR"},
    ],
    ids=lambda timing: next(iter(timing)),
)
def test_a_timing_that_redbeat_has_no_word_for_survives_a_change_of_something_else(timing: dict[str, Any]) -> None:
    entry = entry_of(declared(**timing))
    written = json.loads(entries.encode(entry)["definition"])
    # RedBeat's encoder writes every field of a rule, and the entry has advanced since it was written.
    resaved = written["schedule"] | {"interval": 1, "wkst": 0, "bymonth": None, "byhour": None}
    advanced = replace(entry, due=None if "at" in timing else NOON + 31 * DAY)
    after = adopted(advanced, {"definition": json.dumps(written | {"schedule": resaved, "args": [9]})}, LATER)
    assert {name: note.value for name, note in after.overlay.items()} == {"args": [9]}
    assert (after.fields | {"args": None}) == (entry.fields | {"args": None})
    assert after.due == advanced.due


@pytest.mark.parametrize(
    "schedule", [{"__type__": "solar", "event": "x"}, {"__type__": "rrule", "freq": 1}, 5, None, "x"]
)
def test_a_new_timing_that_the_file_has_no_word_for_is_refused(schedule: Any) -> None:
    with pytest.raises(DamagedEntry, match="another program's change cannot be read"):
        saved(entry_of(declared()), schedule=schedule)


@pytest.mark.parametrize("definition", ["{", "[]", "null", "{}", '{"args": []}'])
def test_a_definition_that_is_none_is_refused(definition: str) -> None:
    with pytest.raises(DamagedEntry, match="another program's change cannot be read"):
        adopted(entry_of(declared()), {"definition": definition}, LATER)


def test_a_change_that_no_schedule_may_have_is_refused() -> None:
    with pytest.raises(DamagedEntry):
        saved(entry_of(declared()), args={"not": "a list"})
