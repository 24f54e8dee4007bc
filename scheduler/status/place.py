"""Where a page of a list ends, and the next one begins, although the list changes meanwhile."""

from __future__ import annotations

import math
from typing import NamedTuple

PATTERN = r"^(-?[0-9]{1,15}(\.[0-9]{1,15})?~[^\n]+)?$"  #: a Place as text, or an empty text


class Place(NamedTuple):
    """Places compare as the list is ordered."""

    at: float  #: what the list is ordered by, such as epoch seconds
    name: str  #: decides between items with the same

    @classmethod
    def read(cls, text: str) -> Place | None:
        """A place from its text; None if it is none."""
        at, _, name = text.partition("~")
        try:
            return cls(float(at), name) if name and math.isfinite(float(at)) else None
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"{self.at!r}~{self.name}"
