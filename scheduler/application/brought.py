"""The schedules that an application declares itself, translated to the words of the schedule file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scheduler.model import Problem


@dataclass(frozen=True)
class Brought:
    """What the application declares.

    ``fields`` maps names to fields as the schedule file would have them, ``sources`` those names to the application's
    own. ``problems`` are errors for what has no word in the file, which is not in ``fields``, and warnings for what
    becomes different.
    """

    fields: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    @property
    def unsaid(self) -> frozenset[str]:
        """The names of those without a word in the file."""
        return frozenset(self.sources.keys() - self.fields.keys())


NOTHING = Brought()
