"""The read-model: one word for each schedule, and when it runs next."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine

from scheduler.model import Entry, Outcome, Overlaid, Pause, Run
from scheduler.status import as_json, rows
from scheduler.status.problems.problem import ServiceProblem
from scheduler.status.read_model import Overview, upcoming_instants
from scheduler.status.rows import row
from scheduler.status.timeline import timeline
from scheduler.storage.instants import iso
from scheduler.storage.lock import Holder
from tests.support.schedules import DAY, HOUR, MINUTE, NOON, SECOND, declared, entry_of

FREE = {"free": ("2026-03-03",)}


@pytest.fixture(autouse=True)
def at_noon() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


def run(outcome: Outcome, **fields: Any) -> Run:
    return Run("job@x", "job", NOON.timestamp() - 60, outcome, **fields)


def state(last: Run | None = None, entry: Entry | None = None, **changes: Any) -> str:
    return row(replace(entry or entry_of(declared()), **changes), last).state


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        ("queued", "queued"),
        ("running", "running"),
        ("succeeded", "ok"),
        ("failed", "failed"),
        ("lost", "lost"),
        ("skipped", "skipped"),
    ],
)
def test_the_last_run_gives_the_state(outcome: Outcome, word: str) -> None:
    assert state(run(outcome)) == word


def test_a_schedule_that_never_ran_is_new() -> None:
    assert state() == "new"


@pytest.mark.parametrize("last", [None, run("succeeded"), run("running")])
def test_what_needs_a_person_comes_before_what_ran(last: Run | None) -> None:
    assert state(last, error="broken") == "quarantined"
    assert state(last, fields={}) == "quarantined"
    assert state(last, pause=Pause("ann", 0.0)) == "paused"
    assert state(last, entry=entry_of(declared(enabled=False))) == "disabled"


def test_a_pause_that_is_over_is_none() -> None:
    assert state(pause=Pause("ann", 0.0, until=time.time() - 1)) == "new"
    assert state(pause=Pause("ann", 0.0, until=time.time() + 60)) == "paused"


def test_a_schedule_that_will_not_fire_again_is_finished_once_its_last_run_has_ended() -> None:
    assert state(run("running"), due=None) == "running"
    assert state(run("succeeded"), due=None) == "finished"


def test_a_schedule_that_was_not_sent_in_time_is_overdue() -> None:
    assert state(run("succeeded"), due=NOON - 61 * SECOND) == "overdue"
    assert state(run("succeeded"), due=NOON - 59 * SECOND) == "ok"


def test_every_state_has_its_sentence() -> None:
    assert set(rows.STATES) == set(rows.State.__args__)  # type: ignore[attr-defined]


def test_a_row_names_everything_at_a_glance() -> None:
    entry = entry_of(
        declared(description="what for", tags=["x"], timezone="Europe/Vienna", cron="0 3 * * *"),
        overlay={"tags": Overlaid(["x"], "ann", 1.0)},
    )
    found = row(entry, None)
    assert (found.name, found.task, found.origin, found.zone) == ("job", "reports.build", "file", "Europe/Vienna")
    assert (found.description, found.tags, found.overlaid) == ("what for", ("x",), ("tags",))
    assert found.next == NOON + 14 * HOUR
    assert found.timing


def test_a_schedule_that_cannot_be_read_is_a_row_with_its_error() -> None:
    found = row(Entry("job", "redbeat", {"task": "t", "schedule": None}), None)
    assert (found.state, found.task, found.timing, found.next) == ("quarantined", "t", "unreadable", None)
    assert found.error


# what comes next


def upcoming(count: int = 3, **fields: Any) -> list[datetime]:
    entry = fields.pop("entry", {})
    return list(upcoming_instants(replace(entry_of(declared(calendars=FREE, **fields)), **entry), count))


def test_the_next_instants_begin_with_the_one_that_beat_waits_for() -> None:
    assert upcoming() == [NOON + MINUTE, NOON + 2 * MINUTE, NOON + 3 * MINUTE]


def test_no_instant_is_shown_that_has_passed() -> None:
    assert upcoming(entry={"due": NOON - HOUR})[0] == NOON + MINUTE


def test_no_instant_is_shown_on_an_excluded_day() -> None:
    assert upcoming(cron="0 13 * * *", except_=["free"])[:2] == [NOON + HOUR, NOON + HOUR + 2 * DAY]


@pytest.mark.parametrize(
    "entry",
    [{"error": "broken"}, {"due": None}, {"pause": Pause("ann", 0.0)}, {"fields": {}}],
    ids=["quarantined", "finished", "paused", "unreadable"],
)
def test_a_schedule_that_will_not_run_has_no_next_instant(entry: dict[str, Any]) -> None:
    assert upcoming(entry=entry) == []


def test_a_disabled_schedule_has_no_next_instant() -> None:
    assert upcoming(enabled=False) == []


def test_a_pause_with_an_end_leaves_what_comes_after_it() -> None:
    until = (NOON + 90 * SECOND).timestamp()
    assert upcoming(2, entry={"pause": Pause("ann", 0.0, until=until)}) == [NOON + 2 * MINUTE, NOON + 3 * MINUTE]


def test_no_more_instants_are_shown_than_the_schedule_may_run() -> None:
    assert upcoming(5, max_runs=3, entry={"total_run_count": 1}) == [NOON + MINUTE, NOON + 2 * MINUTE]


def test_a_one_off_has_one_instant() -> None:
    assert upcoming(at="2026-03-05 18:00") == [NOON + 3 * DAY + 6 * HOUR]


def test_an_interval_of_redbeat_goes_on_from_its_due_instant() -> None:
    definition = {"task": "t", "schedule": {"__type__": "interval", "every": 3600.0, "relative": False}}
    entry = Entry("theirs", "redbeat", definition, due=NOON + MINUTE)
    assert list(upcoming_instants(entry, 2)) == [NOON + MINUTE, NOON + MINUTE + HOUR]


def test_a_timeline_merges_every_schedule_that_will_run() -> None:
    entries = [entry_of(declared("hourly", every="1h")), entry_of(declared("once", at="2026-03-02 13:30"))]
    entries.append(entry_of(declared("off", every="1h", enabled=False)))
    assert list(timeline(entries, NOON, NOON + 2 * HOUR)) == [
        (NOON + HOUR, "hourly"),
        (NOON + HOUR + 30 * MINUTE, "once"),
        (NOON + 2 * HOUR, "hourly"),
    ]


# the whole service


def overview(*entries: Entry, leader: Holder | None = None) -> Overview:
    return Overview(tuple(row(entry, None) for entry in entries), len(entries), leader, (), {})


def test_a_check_that_could_not_be_made_is_no_problem() -> None:
    unknown = ServiceProblem("This Redis user may not read it", "look at it", "unknown")
    shown = replace(overview(), named=(unknown, ServiceProblem("It is full", "empty it", since=NOON.timestamp())))
    assert (shown.unknown, list(map(str, shown.problems))) == ((unknown,), ["It is full: empty it"])
    (body,) = as_json.overview_json(shown)["problems"]
    assert body == {
        "sentence": "It is full",
        "remedy": "empty it",
        "severity": "warning",
        "subject": "",
        "since": "2026-03-02T12:00:00Z",
    }


def test_json_of_the_service_is_json() -> None:
    body = as_json.overview_json(overview(entry_of(declared()), leader=Holder("host:1", 9.5, NOON.timestamp())))
    assert json.loads(json.dumps(body)) == body
    assert body["leader"] == {"name": "host:1", "lease_ends_in": 9.5, "since": "2026-03-02T12:00:00Z"}
    assert body["schedules"][0]["next"] == "2026-03-02T12:01:00Z"


def test_json_of_a_run_has_instants_in_utc_and_durations_in_seconds() -> None:
    noon = NOON.timestamp()
    body = as_json.run_json(Run("job@x", "job", noon, "succeeded", started=noon + 0.5, finished=noon + 2.5))
    assert (body["due"], body["lateness"], body["duration"]) == ("2026-03-02T12:00:00Z", 0.5, 2.0)
    assert (body["sent"], body["until"]) == (None, None)


def test_a_run_that_has_not_begun_has_neither_lateness_nor_duration() -> None:
    assert (run("queued").lateness, run("queued").duration) == (None, None)
    assert run("running", started=NOON.timestamp()).duration is None


@pytest.mark.parametrize("nothing", [None, 0, 0.0])
def test_no_instant_is_null_in_json(nothing: float | None) -> None:
    assert iso(nothing) is None


def test_an_instant_in_json_keeps_its_microseconds() -> None:
    assert iso(NOON + timedelta(microseconds=5)) == "2026-03-02T12:00:00.000005Z"
