"""The published JSON Schema: current, draft-07, and of one mind with the validator."""

from __future__ import annotations

import json
import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import scheduler
from scheduler import schedule_file
from scheduler.model import Policies, Schedule
from scheduler.schedule_file import json_schema
from scheduler.validate import validate
from tests.unit.schedule_file.drawn import FILES, NEARLY_GOOD

PACKAGE = Path(scheduler.__file__).parent
TOP = PACKAGE.parent
try:
    import jsonschema
except ImportError:
    if os.environ.get("CI") == "true":
        raise
    pytest.skip("jsonschema is not installed", allow_module_level=True)

CHECKER = jsonschema.Draft7Validator(json_schema.schema())


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


@pytest.mark.parametrize("value", [[], {}, [[1]], [{"a": 1}], {"a": {"b": []}}], ids=str)
def test_a_value_of_a_wrong_kind_is_a_problem_with_its_place_whichever_key_has_it(value: Any) -> None:
    good = {"task": "a", "cron": "0 3 * * *"}
    of_schedules = [
        {"schedules": {"x": good | {key: value}}}
        for key in json_schema.schema()["definitions"]["Schedule"]["properties"]
    ]
    of_the_top = [{"schedules": {"x": good}} | {key: value} for key in json_schema.schema()["properties"]]
    for data in (*of_schedules, *of_the_top):
        for problem in validate(read(data), tasks=None).problems:
            assert re.match(r"s\.yaml:\d+:\d+: [^\n]+ — [^\n]+$", str(problem)), data


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
@given(st.one_of(NEARLY_GOOD, FILES))
@example({"schedules": {"x": {"task": "t", "cron": None, "every": "5m"}}})
@example({"schedules": {"x": {"task": "t", "every": "5m", "renamed_from": " y"}}})
@example({"schedules": {"x": {"task": "t", "every": "5m", "retries": 3.0}}})
@example({"schedules": {"x": {"task": "t", "every": "5m", "catch_up": None}}})
@example({"schedules": {"x": {"task": "t", "every": "5m", "expires": None}}})
@example({"schedules": {"x": {"http": {"url": "https://example.com", "method": None}, "every": "5m"}}})
@example({"schedules": {"x": {"task": "t", "every": "5m", "user": " backup "}}})
@example({"groups": {"g": {"max_running": 1}}, "schedules": {"x": {"task": "t", "every": "5m", "group": "g "}}})
@example({"schedules": {"x": {"task": "t", "every": "5m", "then": " y"}, "y": {"task": "t", "every": "5m"}}})
@example({"defaults": {"timeout": None}, "schedules": {"x": {"task": "t", "every": "5m", "max_runs": None}}})
def test_what_the_validator_accepts_the_schema_accepts(data: Any) -> None:
    if validate(read(data), tasks=None).ok:
        assert list(CHECKER.iter_errors(data)) == []


#: Keys, and words about others, whose values may be wrong only for what they mean: beside other keys, or on the clock.
MEANINGS = ("timezone", "start", "except", "jitter", "directory", "environment", "alerts", "ping")
WORDS = (
    "belongs to",
    "has no effect without retries",
    "is longer than 1d",
    "is an exit code, which only",
    "is not an address",
    "http.expect: cannot be '299-200'",
    "cannot be the name of a header",
    "a header cannot hold control characters",
    "begins with an empty text",
    "leaves the request no time",
    "shell is empty",
    "unknown schedule",
    "unknown group",
    "leads back to where it began",
    "user and queue are both given",
)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(NEARLY_GOOD)
def test_what_the_schema_accepts_the_validator_refuses_only_for_its_meaning(data: Any) -> None:
    if CHECKER.is_valid(data):
        problems = validate(read(data), tasks=None).errors
        assert [it for it in problems if it.key not in MEANINGS and not any(words in it.what for words in WORDS)] == []
