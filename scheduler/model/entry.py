"""A schedule on its way into RedBeat: as declared, as stored, and what the admin laid over it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from scheduler import timing
from scheduler.model.schedule import Schedule


@dataclass(frozen=True)
class Declared:
    """A valid schedule as declared: its name, its fields in the file's words, and its calendars resolved."""

    name: str
    schedule: Schedule
    excluded: tuple[str, ...] = ()

    def timing(self) -> timing.Timing:
        """The timing that answers when it fires next."""
        schedule = self.schedule
        zone = schedule.timezone
        return timing.build(
            schedule.kind,
            schedule.timing_text,
            zone=zone,
            name=self.name,
            start=read_instant(schedule.start, zone, "start"),
            end=read_instant(schedule.end, zone, "end"),
            excluded=self.excluded,
            jitter=schedule.jitter,
        )

    def fields(self) -> dict[str, Any]:
        """The schedule's fields, with the resolved calendars under ``excluded``."""
        extra = {"excluded": list(self.excluded)} if self.excluded else {}
        return {**self.schedule.fields(), **extra}


def read_instant(text: str | None, zone: str, key: str) -> datetime | None:
    """An instant from the file: ISO form, wall time in the schedule's zone where it has no offset.

    Raises TimingError that names ``key``.
    """
    return None if text is None else timing.parse_instant(text, zone, key)


@dataclass(frozen=True)
class Overlaid:
    """What the admin changed in one field of a schedule that the file declares."""

    value: Any
    by: str
    at: float  #: epoch seconds
    why: str = ""


@dataclass(frozen=True)
class Pause:
    """An overlay that stops a schedule: who, when (epoch seconds), why, and until when if that is known."""

    by: str
    at: float
    note: str = ""
    until: float | None = None


@dataclass(frozen=True)
class SkipNext:
    """An overlay that leaves out one due instant: who, when (epoch seconds), which (epoch seconds), and why."""

    by: str
    at: float
    due: float
    note: str = ""


@dataclass(frozen=True)
class Entry:
    """A schedule's form in RedBeat, decoded.

    ``fields`` is what governs; ``base`` is what the file said last (empty for origin admin and redbeat).
    ``due`` is the next due instant (aware UTC) or None when it will never fire again; ``revision`` counts edits.
    """

    name: str
    origin: Literal["file", "admin", "redbeat"]
    fields: dict[str, Any]
    base: dict[str, Any] = field(default_factory=dict)
    overlay: dict[str, Overlaid] = field(default_factory=dict)
    pause: Pause | None = None
    due: datetime | None = None
    last_run_at: datetime | None = None
    total_run_count: int = 0
    revision: int = 0
    error: str = ""
    skip: SkipNext | None = None

    def declared(self) -> Declared:
        """Its governing fields as a Declared; raises pydantic's ValidationError when they are damaged."""
        fields = dict(self.fields)
        excluded = tuple(fields.pop("excluded", ()))
        return Declared(self.name, Schedule.model_validate(fields), excluded)

    def with_due(self, due: datetime | None) -> Entry:
        return replace(self, due=due)
