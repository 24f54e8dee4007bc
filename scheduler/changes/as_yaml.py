"""A stored schedule as a person would write it in the file."""

from __future__ import annotations

from scheduler.model import Entry
from scheduler.schedule_file.write_back.blocks import STEP, lines


def as_yaml(entry: Entry) -> str:
    """The schedule as the file declares it; empty for another program's."""
    if entry.origin == "redbeat" or entry.error:
        return ""
    fields = {key: value for key, value in entry.fields.items() if key != "excluded"}
    try:
        return "\n".join(["schedules:", *lines({entry.name: fields}, STEP, STEP, apart=False)])
    except ValueError:  # half a character, which JSON can hold and YAML cannot
        return ""
