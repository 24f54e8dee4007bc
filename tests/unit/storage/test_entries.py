"""The stored form of a schedule: RedBeat's fields, and ours beside them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.model import Entry, Overlaid, Pause, Policies
from scheduler.storage import entries
from scheduler.storage.entries import NEVER, DamagedEntry
from scheduler.storage.instants import from_seconds, to_redbeat_json
from tests.support.schedules import HOUR, MINUTE, NOON, declared, entry_of


def foreign(**definition: Any) -> Entry:
    schedule = {"__type__": "interval", "every": 60.0, "relative": False}
    return Entry("theirs", "redbeat", {"task": "t", "schedule": schedule} | definition)


def stored(entry: Entry) -> dict[str, str]:
    meta = entries.meta(entry.last_run_at, entry.total_run_count)
    return entries.encode(entry) | {"meta": meta, "revision": str(entry.revision)}


def test_the_definition_has_every_key_that_redbeat_reads() -> None:
    written = json.loads(entries.encode(entry_of(declared(args=[1], kwargs={"a": 2}, queue="slow")))["definition"])
    assert written == {
        "name": "job",
        "task": "reports.build",
        "args": [1],
        "kwargs": {"a": 2},
        "options": {"queue": "slow"},
        "schedule": {"__type__": "interval", "every": 60.0, "relative": False},
        "enabled": True,
    }


def test_a_paused_schedule_is_a_disabled_one_to_redbeat() -> None:
    written = json.loads(entries.encode(entry_of(declared(), pause=Pause("ann", 1.0)))["definition"])
    assert written["enabled"] is False


def test_policies_become_the_options_of_celery() -> None:
    found = entries.job(entry_of(declared(queue="slow", priority=0, timeout="1h30m", retries=3, expires="1h")))
    assert found.options == {"queue": "slow", "priority": 0, "time_limit": 5400.0}


def test_a_schedule_without_policies_leaves_the_tasks_own_options_alone() -> None:
    assert entries.job(entry_of(declared())).options == {}


def test_the_fields_of_an_entry_of_another_program_are_its_definition() -> None:
    entry = foreign(args=[1], kwargs={"a": 2}, options={"queue": "q"})
    written = stored(entry) | {"definition": json.dumps(entry.fields)}
    assert entries.decode("theirs", written) == entry
    found = entries.job(entry)
    assert (found.args, found.kwargs, found.options, found.policies.overlap) == (
        (1,),
        {"a": 2},
        {"queue": "q"},
        "allow",
    )


def test_the_definition_of_another_program_is_never_written() -> None:
    assert "definition" not in entries.encode(foreign())


@pytest.mark.parametrize(
    "definition",
    [
        {"task": None},
        {"task": 5},
        {"args": "text"},
        {"args": {"a": 1}},
        {"kwargs": [1]},
        {"options": [1]},
        {"schedule": None},
        {"schedule": {"__type__": "crontab", "minute": "61"}},
        {"schedule": {"__type__": "crontab", "day_of_month": "31", "month_of_year": "2"}},
        {"schedule": {"__type__": "interval", "every": 0, "relative": False}},
        {"schedule": {"__type__": "interval", "every": -5, "relative": False}},
        {"schedule": {"__type__": "interval", "every": float("nan"), "relative": False}},
        {"schedule": {"__type__": "interval", "every": float("inf"), "relative": False}},
        {"schedule": {"__type__": "interval", "every": 1e30, "relative": False}},
        {"schedule": {"__type__": "interval"}},
        {"schedule": {"__type__": "os.system"}},
        {"schedule": {}},
    ],
    ids=str,
)
def test_an_entry_of_another_program_that_cannot_be_sent_is_damaged(definition: dict[str, Any]) -> None:
    with pytest.raises(DamagedEntry):
        entries.job(foreign(**definition))


def test_a_type_nested_in_the_arguments_stays_what_it_is() -> None:
    kwargs = {"a": {"__type__": "crontab", "minute": "61"}}
    assert entries.job(foreign(kwargs=kwargs)).kwargs == kwargs
    assert entries.job(entry_of(declared(kwargs=kwargs))).kwargs == kwargs


def test_an_expiry_of_another_program_counts_from_each_run() -> None:
    found = entries.job(foreign(options={"expires": 20.0, "queue": "q"}))
    assert (found.policies.expires, found.options) == (timedelta(seconds=20), {"queue": "q"})


@pytest.mark.parametrize(
    "fields", [{}, {"task": "t"}, {"task": "t", "every": "0s"}, {"task": "t", "every": "1m", "x": 1}]
)
def test_a_schedule_whose_fields_are_damaged_says_what_is_wrong_in_one_line(fields: dict[str, Any]) -> None:
    with pytest.raises(DamagedEntry) as caught:
        entries.job(Entry("job", "file", fields))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, (NOON + MINUTE).timestamp()),
        ({"due": None}, NEVER),
        ({"error": "damaged"}, NEVER),
        ({"pause": Pause("ann", 1.0)}, NEVER),
        ({"pause": Pause("ann", 1.0, until=77.5)}, 77.5),
    ],
)
def test_beat_looks_at_an_entry_only_when_something_can_come_of_it(change: dict[str, Any], expected: float) -> None:
    entry = replace(entry_of(declared()), **change)
    assert entries.score(entry, entries.job(entry).timing) == expected


def test_beat_looks_at_an_entry_with_jitter_when_its_jitter_is_over() -> None:
    entry = entry_of(declared(every="1h", jitter="30m"))
    timing = entries.job(entry).timing
    assert entry.due is not None
    assert entries.score(entry, timing) == timing.send_at(entry.due).timestamp() > (NOON + HOUR).timestamp()


def test_a_definition_that_somebody_else_wrote_is_noticed() -> None:
    assert entries.was_changed_outside({"definition": "x"})
    assert entries.was_changed_outside({"definition": "x", "seen": "y"})
    seen = "11f6ad8ec52a2984abaafd7c3b516503785c2072"  # sha1sum of x
    assert not entries.was_changed_outside({"definition": "x", "seen": seen})


@pytest.mark.parametrize("origin", ["file", "admin", "redbeat"])
def test_the_stand_in_for_a_damaged_entry_keeps_its_origin_and_revision(origin: str) -> None:
    entry = entries.damaged("job", {"origin": origin, "revision": "7", "definition": "x" * 5000}, "why")
    assert (entry.origin, entry.revision, entry.error) == (origin, 7, "why")
    assert entry.fields == {"task": "?", "raw": "x" * 2000}


def test_the_stand_in_for_an_entry_without_anything_belongs_to_another_program() -> None:
    assert entries.damaged("job", {"revision": "x"}, "why") == Entry(
        "job", "redbeat", {"task": "?", "raw": ""}, error="why"
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
INSTANTS = st.integers(0, 4_000_000_000_000_000).map(lambda micros: from_seconds(0) + timedelta(microseconds=micros))
NOTES = st.builds(Overlaid, JSON, st.text(max_size=5), st.floats(0, 4e9), st.text(max_size=5))
PAUSES = st.builds(Pause, st.text(max_size=5), st.floats(0, 4e9), st.text(max_size=5), st.none() | st.floats(0, 4e9))


@given(
    st.lists(JSON, max_size=3),
    st.dictionaries(st.sampled_from(["args", "queue"]), NOTES),
    st.none() | PAUSES,
    st.none() | INSTANTS,
    st.none() | INSTANTS,
    st.integers(0, 10**9),
)
def test_whatever_an_entry_holds_comes_back(
    args: list[Any], overlay: dict[str, Overlaid], pause: Pause | None, due: Any, last: Any, count: int
) -> None:
    fields = {"task": "t", "every": "1m", "args": args}
    entry = Entry("job", "file", fields, fields, overlay, pause, due, last, total_run_count=count, revision=count)
    assert entries.decode("job", stored(entry)) == entry


@given(INSTANTS)
def test_the_last_run_is_written_as_redbeat_writes_it(last: Any) -> None:
    written = json.loads(entries.meta(last, 3))
    assert written == {"last_run_at": json.loads(to_redbeat_json(last)), "total_run_count": 3}
    assert written["last_run_at"]["timezone"] == "UTC"


@given(
    st.dictionaries(
        st.sampled_from(["definition", "meta", "origin", "fields", "base", "overlay", "pause", "due", "count"]),
        st.text(max_size=12) | JSON.map(json.dumps),
    )
)
def test_nothing_that_can_be_stored_raises_anything_but_damaged(hash_: dict[str, str]) -> None:
    try:
        entries.job(entries.decode("job", hash_))
    except DamagedEntry as error:
        assert "\n" not in str(error)  # noqa: PT017


@pytest.mark.parametrize("headers", [{"tracking": "t1", "x-scheduler_run": 1}, {"headers": {"tracking": "t1"}}, None])
def test_another_programs_entry_keeps_its_own_headers(headers: Any) -> None:
    schedule = {"__type__": "interval", "every": 60.0, "relative": False}
    definition = {"name": "job", "task": "t", "schedule": schedule, "options": {"headers": headers}}
    assert entries.job(entries.decode("job", {"definition": json.dumps(definition)})).options["headers"] == headers


@pytest.mark.parametrize("header", ["scheduler_run", "scheduler_retries", "scheduler_references", "scheduler_new"])
def test_another_programs_entry_sets_none_of_our_headers(header: str) -> None:
    schedule = {"__type__": "interval", "every": 60.0, "relative": False}
    for headers in ({"a": 1, header: True}, {"headers": {header: True}}):
        definition = {"name": "job", "task": "t", "schedule": schedule, "options": {"headers": headers}}
        with pytest.raises(DamagedEntry, match=f"'{header}' is a header that only beat sets"):
            entries.job(entries.decode("job", {"definition": json.dumps(definition)}))


def test_entries_with_the_same_policies_share_them() -> None:
    more: dict[str, Any] = {"retries": 3, "expires": HOUR, "retry_for": ("ValueError", 75), "queue": "reports"}
    first, second = (entries.job(entry_of(declared(name, **more))) for name in ("first", "second"))
    assert first.policies is second.policies
    schedule = declared("first", **more).schedule
    assert all(getattr(first.policies, key) == getattr(schedule, key) for key in Policies.model_fields)
    assert first.policies.retrying == schedule.retrying
    assert first.timing is second.timing
