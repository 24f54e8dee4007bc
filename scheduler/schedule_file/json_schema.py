"""The JSON Schema of ``schedules.yaml``, for completion and checks while typing.

Generated from the validating model, so that the two cannot disagree. Draft-07, because editors' YAML support
documents that version.
"""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from scheduler import timing
from scheduler.model import NAME_PATTERN, NOTHING, TIMING_KINDS, Group, Policies, Schedule, ScheduleFile, Then
from scheduler.model.alerts import Alerts, Email, ScheduleAlerts, Sink, Webhook
from scheduler.model.then import NOT_IN_FOLLOWERS, ONE_NAME
from scheduler.model.what_runs import KINDS, Http

DRAFT = "http://json-schema.org/draft-07/schema#"
TITLE = "Schedules of Celery Beat"
FOLLOWER = {"$ref": "#/definitions/Follower"}
FOLLOWERS = (ONE_NAME, {"type": "array", "items": {"anyOf": [ONE_NAME, FOLLOWER]}, "maxItems": 20}, FOLLOWER)
NOUNS: tuple[type[BaseModel], ...] = (
    Policies,
    Schedule,
    Group,
    Then,
    ScheduleAlerts,
    Alerts,
    Sink,
    Email,
    Webhook,
    Http,
)


def schema() -> dict[str, Any]:
    """The schema as plain data."""
    raw = ScheduleFile.model_json_schema(ref_template="#/definitions/{model}")
    definitions = {noun.__name__: _object(raw["$defs"][noun.__name__], noun) for noun in NOUNS}
    one_each(definitions["Schedule"])
    definitions["Follower"] = follower(definitions["Schedule"])
    for which in definitions["Then"]["properties"].values():
        which["anyOf"] = list(FOLLOWERS)
    for noun in ("Schedule", "Follower"):
        then = definitions[noun]["properties"]["then"]
        then["anyOf"] = [*FOLLOWERS, *then.pop("allOf")]
    top = _object(raw, ScheduleFile)
    names(top["properties"]["schedules"])
    rest = {key: value for key, value in top.items() if key not in ("$defs", "title")}
    return {"$schema": DRAFT, "title": TITLE, **rest, "definitions": definitions}


def render() -> str:
    """The text of ``schedules.schema.json``; deterministic."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def one_each(schedule: dict[str, Any]) -> None:
    """Require exactly one timing key, and exactly one key that says what runs."""
    schedule["oneOf"] = [{"required": [kind]} for kind in TIMING_KINDS]
    schedule["allOf"] = [{"oneOf": [{"required": [kind]} for kind in KINDS]}]


def follower(schedule: dict[str, Any]) -> dict[str, Any]:
    """What may be written in a `then` in place of a name."""
    properties = {key: deepcopy(said) for key, said in schedule["properties"].items() if key not in NOT_IN_FOLLOWERS}
    body = {key: schedule[key] for key in ("type", "additionalProperties", "allOf")}
    return body | {"description": "What runs after another schedule, without a name.", "properties": properties}


def names(schedules: dict[str, Any]) -> None:
    """Check names apart from values, so that an editor marks a wrong name and not the schedule below it."""
    schedules["additionalProperties"] = next(iter(schedules.pop("patternProperties").values()))
    schedules["propertyNames"] = {"pattern": NAME_PATTERN}


def _object(raw: dict[str, Any], noun: type[BaseModel]) -> dict[str, Any]:
    fields = {field.alias or name: field for name, field in noun.model_fields.items()}
    properties = {
        key: _property(value, fields[key].default, key in Policies.model_fields)
        for key, value in raw["properties"].items()
    }
    return {**raw, "description": raw["description"].replace("``", "`"), "properties": properties}


def no_null(made: dict[str, Any], can_be_nothing: bool) -> None:
    """Disallow empty keys; allow the word ``none`` for keys that ``defaults:`` may set."""
    kinds = [kind for kind in made.pop("anyOf") if kind != {"type": "null"}]
    if can_be_nothing:
        made["anyOf"] = [*kinds, {"const": NOTHING}]
    elif "$ref" in kinds[0]:
        made["allOf"] = kinds
    else:
        made.update(kinds[0])


def _property(raw: dict[str, Any], default: object, can_be_nothing: bool) -> dict[str, Any]:
    """The schema of one key: without a title, which repeats the key, and with the default as written in the file."""
    made = {key: value for key, value in raw.items() if key not in ("title", "default")}
    if "$ref" in made:
        # Draft-07 ignores everything beside a $ref.
        made["allOf"] = [{"$ref": made.pop("$ref")}]
    if {"type": "null"} in made.get("anyOf", []):
        no_null(made, can_be_nothing)
    if isinstance(default, timedelta):
        made["default"] = timing.format_duration(default)
    elif raw.get("default") not in (None, [], {}, "") and not isinstance(default, BaseModel):
        made["default"] = raw["default"]
    return made
