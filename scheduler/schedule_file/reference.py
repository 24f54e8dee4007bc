"""The tables of ``docs/file.md``: every key of the schedule file, made from its JSON Schema.

``python -m scheduler.schedule_file.reference docs/file.md`` writes them again below the heading "Every key".
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scheduler.model import TIMING_KINDS, Policies, what_runs
from scheduler.schedule_file import json_schema

HEADING = "## Every key\n"
HEAD = "| key | value | left out | meaning |\n|---|---|---|---|\n"
KINDS = {"string": "text", "integer": "whole number", "boolean": "true, false", "array": "list", "object": "mapping"}
NAMES = {"string": "a name", "array": "a list"}


def renewed(page: str) -> str:
    """The page with its tables as the model has them now; the text above the heading stays."""
    prose, _, _ = page.partition(HEADING)
    return prose + HEADING + tables()


def tables() -> str:
    """One table for each place in the file at which keys are written."""
    made = json_schema.schema()
    schedule = made["definitions"]["Schedule"]["properties"]
    policies = made["definitions"]["Policies"]["properties"]
    own = {key: value for key, value in schedule.items() if key not in policies}
    when = {key: own.pop(key) for key in TIMING_KINDS}
    runs = {key: own.pop(key) for key in what_runs.KINDS}
    programs = {key: own.pop(key) for key in what_runs.OF_PROGRAMS}
    parts = {
        "At the top of the file": made["properties"],
        "In a schedule: when (exactly one of these)": when,
        "In a schedule: what runs (exactly one of these)": runs,
        "Beside `command` and `shell`": programs,
        "In `http:`": made["definitions"]["Http"]["properties"],
        "In a schedule: the rest": own,
        "In a schedule, and in `defaults:`": policies,
        "In `then:`": made["definitions"]["Then"]["properties"],
        "In a group of `groups:`": made["definitions"]["Group"]["properties"],
        "In `alerts:` of a schedule": made["definitions"]["ScheduleAlerts"]["properties"],
        "In `alerts:` at the top of the file": made["definitions"]["Alerts"]["properties"],
        "In a sink of `alerts:` (exactly one of these)": made["definitions"]["Sink"]["properties"],
        "In `email:`": made["definitions"]["Email"]["properties"],
        "In `webhook:`": made["definitions"]["Webhook"]["properties"],
    }
    return "".join(f"\n### {title}\n\n{HEAD}{rows(keys)}" for title, keys in parts.items())


def rows(keys: Mapping[str, Mapping[str, Any]]) -> str:
    return "".join(
        f"| `{key}` | {kind(value)} | {default(key, value)} | {meaning(key, value)} |\n" for key, value in keys.items()
    )


def kind(value: Mapping[str, Any]) -> str:
    """What may be written, in a word or two."""
    if "enum" in value:
        return ", ".join(f"`{word}`" for word in value["enum"])
    if "anyOf" in value:
        return ", ".join(dict.fromkeys(kind(one) for one in value["anyOf"]))
    if "const" in value:
        return f"`{value['const']}`"
    if "examples" in value and "1h30m" in value["examples"] and "pattern" in value:
        return "duration"
    if "minimum" in value and "maximum" in value:
        return f"{value['minimum']} to {value['maximum']}"
    return "mapping" if "allOf" in value or "$ref" in value else KINDS[value["type"]] if "type" in value else "any JSON"


def default(key: str, value: Mapping[str, Any]) -> str:
    """What holds without the key; a dash for nothing."""
    if "default" not in value:
        return "`none`" if {"const": "none"} in value.get("anyOf", ()) else "–"
    return f"`{json.dumps(value['default']).strip(chr(34))}`"


def meaning(key: str, value: Mapping[str, Any]) -> str:
    """The description, with an example where the kind does not say enough."""
    said: str = value["description"].replace("|", "\\|")
    if "examples" not in value or kind(value) == "duration":
        return said
    shown = value["examples"][0] if key in (*TIMING_KINDS, *Policies.model_fields) else value["examples"][-1]
    return f"{said} Example: `{shown if isinstance(shown, str) else json.dumps(shown)}`"


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(renewed(target.read_text(encoding="utf-8")), encoding="utf-8")
