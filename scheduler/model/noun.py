"""What every part of the schedule file is made of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Noun(BaseModel):
    """Frozen; unknown keys are errors."""

    # A command uses few of them, and each takes a millisecond to build.
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, defer_build=True)
