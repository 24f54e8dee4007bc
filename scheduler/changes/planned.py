"""The changes that a load would make, and how it tells of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from scheduler.model import Declared, Entry, Overlaid

Kind = Literal["add", "update", "remove", "rename", "conflict"]


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a plan. ``fields`` maps each field that changes to its value before and after.

    ``declared`` is what a new entry says.
    """

    kind: Kind
    name: str
    before: Entry | None = None
    after: Entry | None = None
    fields: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    dropped: Mapping[str, Overlaid] = field(default_factory=dict)
    why: str = ""
    declared: Declared | None = None

    def __str__(self) -> str:
        details = [f"{key}: {was!r} → {now!r}" for key, (was, now) in self.fields.items()]
        details += [f"drops the change of {note.by}: {key}={note.value!r}" for key, note in self.dropped.items()]
        details += [self.why] if self.why else []
        return f"{self.kind} {self.name}" + (f" ({'; '.join(details)})" if details else "")


@dataclass(frozen=True)
class Plan:
    """Every change that brings the stored schedules to what the file says."""

    changes: tuple[Change, ...] = ()
    stored: int = 0  #: schedules of the file that are stored now

    @property
    def removals(self) -> int:
        """How many schedules it removes."""
        return sum(change.kind == "remove" for change in self.changes)

    @property
    def is_mass_removal(self) -> bool:
        """Whether it would remove more than half of what the file declared before, or all of it."""
        return self.removals * 2 > self.stored and (self.removals > 1 or self.removals == self.stored)

    def summary(self) -> str:
        """``2 add, 1 update`` in the order of the words, or ``no changes``."""
        kinds = ("add", "update", "rename", "remove", "conflict")
        counts = {kind: sum(change.kind == kind for change in self.changes) for kind in kinds}
        return ", ".join(f"{count} {kind}" for kind, count in counts.items() if count) or "no changes"
