"""Which schedules start when a run has ended: the key ``then``.

Here each has a name. What the file writes without one gets its name in ``validate/unnamed.py``.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from scheduler.model.fields import (
    NAME_PATTERN,
    TIMING_KINDS,
    GivenName,
    padded,
    read_patterns,
)
from scheduler.model.noun import Noun

ONE_NAME = padded(NAME_PATTERN)
#: Keys of a schedule that make no sense on what is written in a `then` and has no name.
NOT_IN_FOLLOWERS = (*TIMING_KINDS, "start", "end", "max_runs", "jitter", "except", "enabled", "renamed_from")
SEVERAL_NAMES: dict[str, Any] = {"type": "array", "items": ONE_NAME, "maxItems": 20}

Names = Annotated[
    tuple[GivenName, ...],
    Field(max_length=20),
    BeforeValidator(read_patterns),
    WithJsonSchema({"anyOf": [ONE_NAME, SEVERAL_NAMES]}),
]


class Then(Noun):
    """Schedules that start when a run has ended."""

    success: Names = Field((), description="Start when the run succeeded.", examples=[["load"]])
    failure: Names = Field((), description="Start when the run failed or was lost.", examples=[["tell-me"]])
    always: Names = Field((), description="Start in each case, also if the run was stopped.", examples=[["clean-up"]])

    def words(self) -> str:
        """As ``_followers.lua`` reads it: ``success:load always:clean-up``."""
        return " ".join(f"{when}:{name}" for when in type(self).model_fields for name in getattr(self, when))


def read_then(value: object) -> object:
    """Read a name or a list of names as those that follow a success."""
    return {"success": value} if isinstance(value, (str, list, tuple)) else value
