"""The published JSON Schema: current, draft-07, and of one mind with the validator."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import scheduler
from scheduler import schedule_file
from scheduler.model import TIMING_KINDS, Policies, Schedule
from scheduler.schedule_file import json_schema
from scheduler.validate import validate

PACKAGE = Path(scheduler.__file__).parent
TOP = PACKAGE.parent
try:
    import jsonschema
except ImportError:
    if os.environ.get("CI") == "true":
        raise
    pytest.skip("jsonschema is not installed", allow_module_level=True)

CHECKER = jsonschema.Draft7Validator(json_schema.schema())
LETTERS = st.characters(
    min_codepoint=32, max_codepoint=0xFFFD, exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff"
)
TEXT = st.text(LETTERS, max_size=8)
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 300), st.floats(-9, 9, width=16), TEXT, st.lists(TEXT, max_size=2)
)
NAMES = st.one_of(st.sampled_from(["a", "log-it", "x" * 100, "x" * 101, "a b", ":lock", "-a", "", "9.z_"]), TEXT)
DURATIONS = st.sampled_from(
    ["30s", "1h30m", "2d", "1.5h", " 10m ", "1w 2d", "500ms", "5", "m", "1m1h", "1m 1m", "", "-1s", "1 h", "none"]
)
GOOD_TIMINGS = {"cron": "30 2 * * *", "every": "5m", "at": "2030-01-01 10:00"}
TIMINGS = st.one_of(
    st.sampled_from(list(GOOD_TIMINGS.items())).map(lambda item: dict([item])),
    st.dictionaries(st.sampled_from(TIMING_KINDS), st.one_of(JUNK, st.sampled_from(["5m", "@daily"])), max_size=2),
)
KEYS: dict[str, st.SearchStrategy[Any]] = {
    "queue": st.one_of(st.sampled_from(["q", "none"]), JUNK),
    "priority": st.one_of(st.integers(-1, 10), st.just("none"), JUNK),
    "expires": st.one_of(DURATIONS, JUNK),
    "timeout": st.one_of(DURATIONS, JUNK),
    "retries": st.one_of(st.integers(-1, 101), JUNK),
    "overlap": st.one_of(st.sampled_from(["skip", "queue", "allow", "Skip"]), JUNK),
    "catch_up": st.one_of(st.sampled_from(["none", "latest", "all"]), JUNK),
    "catch_up_window": st.one_of(DURATIONS, JUNK),
    "on_lost": st.one_of(st.sampled_from(["report", "rerun"]), JUNK),
}
OWN_KEYS: dict[str, st.SearchStrategy[Any]] = {
    **KEYS,
    "description": JUNK,
    "timezone": st.one_of(st.sampled_from(["UTC", "Europe/Berlin"]), JUNK),
    "start": st.one_of(st.just("2026-01-01 00:00"), JUNK),
    "max_runs": JUNK,
    "jitter": st.one_of(DURATIONS, JUNK),
    "except": st.one_of(st.just([]), JUNK),
    "args": st.one_of(st.lists(JUNK, max_size=2), JUNK),
    "kwargs": st.one_of(st.dictionaries(TEXT, JUNK, max_size=2), JUNK),
    "tags": st.one_of(st.lists(TEXT, max_size=2), JUNK),
    "enabled": st.one_of(st.booleans(), st.sampled_from(["yes", "no", 0, 1])),
    "renamed_from": NAMES,
    "colour": JUNK,
}
TASKS = st.one_of(st.fixed_dictionaries({"task": st.one_of(st.just("some.task"), JUNK)}), st.just({}))
SCHEDULES = st.builds(
    lambda *parts: {key: value for part in parts for key, value in part.items()},
    TASKS,
    TIMINGS,
    st.fixed_dictionaries({}, optional=OWN_KEYS),
)
FILES = st.fixed_dictionaries(
    {"schedules": st.one_of(st.dictionaries(NAMES, st.one_of(SCHEDULES, JUNK), max_size=2), JUNK)},
    optional={
        "timezone": st.one_of(st.just("Europe/Berlin"), JUNK),
        "include": st.one_of(st.just("schedules.d/*.yaml"), st.lists(TEXT, max_size=2), JUNK),
        "imports": st.one_of(st.lists(TEXT, max_size=2), JUNK),
        "defaults": st.one_of(st.fixed_dictionaries({}, optional={**KEYS, "task": JUNK}), JUNK),
        "calendars": st.one_of(st.dictionaries(TEXT, st.lists(st.just("2026-12-25")), max_size=2), JUNK),
        "colour": JUNK,
    },
)


def read(data: Any) -> schedule_file.Document:
    document = schedule_file.parse(json.dumps(data, ensure_ascii=False), "s.yaml")
    assert not document.problems
    assert document.data == data
    return document


def test_the_file_in_the_repository_is_the_one_that_the_model_makes() -> None:
    published = (PACKAGE / "schedules.schema.json").read_text(encoding="utf-8")
    again = "from scheduler import json_schema; print(json_schema.render(), end='')"
    assert published == json_schema.render(), f'run: python -c "{again}" > scheduler/schedules.schema.json'


def test_it_is_a_draft_7_schema() -> None:
    jsonschema.Draft7Validator.check_schema(json_schema.schema())
    assert "$defs" not in json_schema.render()


def test_every_key_has_a_description() -> None:
    schema = json_schema.schema()
    for noun in (schema, schema["definitions"]["Schedule"], schema["definitions"]["Policies"]):
        assert all(value.get("description") for value in noun["properties"].values())


@pytest.mark.slow
def test_examples_pass_their_own_schema_and_defaults_read_as_the_file_writes_them() -> None:
    schema = json_schema.schema()
    for noun in (Schedule, Policies):
        for value in schema["definitions"][noun.__name__]["properties"].values():
            for sample in [*value.get("examples", []), *([value["default"]] if "default" in value else [])]:
                jsonschema.validate(sample, {**value, "definitions": schema["definitions"]})
    assert schema["definitions"]["Schedule"]["properties"]["jitter"]["default"] == "0s"
    assert Schedule.model_fields["catch_up_window"].default == timedelta(days=1)


def test_the_shipped_schedules_pass_both() -> None:
    document = schedule_file.read(TOP / "schedules.yaml")
    assert not document.problems
    assert list(CHECKER.iter_errors(document.data)) == []
    assert not validate(document, tasks=None).problems
    first = (TOP / "schedules.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=scheduler/schedules.schema.json"


@pytest.mark.parametrize("given", [[], ["cron", "every"], ["at", "rrule", "solar"]])
def test_both_want_exactly_one_timing_key(given: list[str]) -> None:
    data = {"schedules": {"x": {"task": "t", **dict.fromkeys(given, "5m")}}}
    assert not CHECKER.is_valid(data)
    assert not validate(read(data), tasks=None).ok


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(FILES)
@example({"schedules": {"x": {"task": "t", "cron": None, "every": "5m"}}})
@example({"schedules": {"x": {"task": "t", "every": "5m", "renamed_from": " y"}}})
@example({"schedules": {"x": {"task": "t", "every": "5m", "retries": 3.0}}})
@example({"schedules": {"x": {"task": "t", "every": "5m", "catch_up": None}}})
@example({"schedules": {"x": {"task": "t", "every": "5m", "expires": None}}})
@example({"defaults": {"timeout": None}, "schedules": {"x": {"task": "t", "every": "5m", "max_runs": None}}})
def test_what_the_validator_accepts_the_schema_accepts(data: Any) -> None:
    if validate(read(data), tasks=None).ok:
        assert list(CHECKER.iter_errors(data)) == []


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["a", "b-c", "d.e"]),
        st.builds(
            lambda timing, rest: {"task": "some.task", **dict([timing]), **rest},
            st.sampled_from(list(GOOD_TIMINGS.items())),
            st.fixed_dictionaries({}, optional={**OWN_KEYS, "renamed_from": st.just("old")}),
        ),
        max_size=1,
    ),
    st.fixed_dictionaries({}, optional=KEYS),
)
def test_what_the_schema_accepts_the_validator_refuses_only_for_its_meaning(schedules: Any, defaults: Any) -> None:
    data = {"defaults": defaults, "schedules": schedules}
    if CHECKER.is_valid(data):
        meaning = ("timezone", "start", "except", "jitter")
        problems = [problem for problem in validate(read(data), tasks=None).errors if problem.key not in meaning]
        assert problems == []
