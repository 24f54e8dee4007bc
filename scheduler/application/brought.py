"""The schedules that an application declares itself, translated to the words of the schedule file."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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

    def missing(self, names: Collection[str]) -> list[str]:
        """The application's own names of its schedules that are not among these names of the file."""
        unsaid = [problem.schedule for problem in self.problems if problem.severity == "error"]
        return [source for name, source in self.sources.items() if name in self.fields and name not in names] + unsaid


NOTHING = Brought()
