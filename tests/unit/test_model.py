"""The nouns: what a schedule may say, and what a run is called."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from scheduler.model import Entry, Policies, Position, Problem, Schedule, read_run_id, run_id
from tests.support.schedules import NOON, declared

INSTANTS = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True) | st.text(min_size=1, max_size=10)


@given(NAMES, INSTANTS, st.booleans())
def test_a_runs_identity_tells_its_schedule_and_its_instant(name: str, due: datetime, manual: bool) -> None:
    found, seconds = read_run_id(run_id(name, due, manual=manual))
    assert found == name
    assert abs(seconds - due.timestamp()) < 1e-5


@given(INSTANTS, INSTANTS)
def test_two_instants_have_two_identities(first: datetime, second: datetime) -> None:
    assert (run_id("job", first) == run_id("job", second)) == (first == second)


def test_a_manual_run_is_never_taken_for_a_due_one() -> None:
    assert run_id("job", NOON) == "job@2026-03-02T12:00:00Z"
    assert run_id("job", NOON, manual=True) == "job@manual-2026-03-02T12:00:00Z"


def test_fields_are_what_was_set_in_the_words_of_the_file() -> None:
    found = declared(args=[1], except_=["free"], calendars={"free": ("2026-12-25",)}, expires="90m").fields()
    assert found == {
        "task": "reports.build",
        "every": "1m",
        "args": [1],
        "except": ["free"],
        "excluded": ["2026-12-25"],
        "expires": "1h30m",
    }


def test_a_value_that_is_the_default_counts_as_left_out() -> None:
    assert declared(retries=0, overlap="skip", enabled=True, args=[]).fields() == declared().fields()


@pytest.mark.parametrize(
    ("fields", "kind", "text"),
    [
        ({"every": "1m"}, "every", "1m"),
        ({"cron": "@daily"}, "cron", "@daily"),
        ({"at": "2026-12-24 18:00"}, "at", "2026-12-24 18:00"),
    ],
)
def test_a_schedule_knows_its_timing_key(fields: dict[str, Any], kind: str, text: str) -> None:
    schedule = Schedule(task="t", **fields)
    assert (schedule.kind, schedule.timing_text) == (kind, text)


@pytest.mark.parametrize(
    "fields",
    [
        {"task": ""},
        {"task": "t" * 201},
        {"priority": 10},
        {"priority": "5"},
        {"priority": True},
        {"retries": -1},
        {"retries": 101},
        {"overlap": "maybe"},
        {"catch_up": "some"},
        {"on_lost": "cry"},
        {"expires": 60},
        {"timeout": "soon"},
        {"max_runs": 0},
        {"enabled": "yes"},
        {"enabled": 1},
        {"kwargs": []},
        {"args": "text"},
        {"tags": [1]},
        {"renamed_from": "a b"},
        {"corn": "x"},
        {"excluded": ["2026-12-25"]},
    ],
    ids=str,
)
def test_a_schedule_takes_nothing_that_it_does_not_know(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Schedule.model_validate({"task": "t", "every": "1m"} | fields)


def test_nouns_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Policies().queue = "x"  # type: ignore[misc]


def test_the_defaults_are_those_that_lose_and_double_nothing() -> None:
    policies = Policies()
    assert (policies.overlap, policies.catch_up, policies.on_lost, policies.retries) == ("skip", "latest", "report", 0)
    assert policies.catch_up_window == timedelta(days=1)


def test_an_entry_gives_back_what_was_declared() -> None:
    wanted = declared(args=[1], except_=["free"], calendars={"free": ("2026-12-25",)})
    assert Entry("job", "file", wanted.fields()).declared() == wanted


def test_a_problem_is_one_line_with_place_schedule_what_and_remedy() -> None:
    place = Position("s.yaml", 12, 5)
    assert str(Problem("unknown key 'corn'", "did you mean 'cron'?", "nightly", "corn", place)) == (
        "s.yaml:12:5: schedule 'nightly': unknown key 'corn' — did you mean 'cron'?"
    )
    assert str(Problem("it is late", severity="warning")) == "warning: it is late"


@pytest.mark.parametrize(
    ("text", "size", "canonical"),
    [
        ("512MB", 512_000_000, "512MB"),
        ("2 GiB", 2 << 30, "2GiB"),
        ("1500k", 1_500_000, "1500kB"),
        ("1000MB", 10**9, "1GB"),
    ],
)
def test_a_size_is_read_and_written_with_its_unit(text: str, size: int, canonical: str) -> None:
    policies = Policies.model_validate({"max_memory": text})
    assert policies.max_memory == size
    stored = policies.model_dump(mode="json", exclude_defaults=True)
    assert stored == {"max_memory": canonical}
    assert Policies.model_validate(stored).max_memory == size


@pytest.mark.parametrize("wrong", [512_000_000, "512", "12 apples", "999kB", "-1GB", True, ""])
def test_a_size_without_a_unit_or_of_next_to_nothing_is_refused(wrong: object) -> None:
    with pytest.raises(ValidationError, match=r"write (a size|one) such as 512MB or 2GiB"):
        Policies.model_validate({"max_memory": wrong})
