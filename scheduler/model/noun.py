"""What every part of the schedule file is made of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Noun(BaseModel):
    """Frozen; unknown keys are errors."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        str_strip_whitespace=True,
        # A command uses few of them, and each takes a millisecond to build.
        defer_build=True,
        # pydantic's cache would keep 16,000 strings of a large file, each in another piece of memory that is free else.
        cache_strings="none",
    )
