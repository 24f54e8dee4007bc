"""A schedule as declared, its entry as stored, and the overlays of the admin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

from scheduler import timing
from scheduler.model.schedule import Schedule

Origin = Literal["file", "app", "admin", "redbeat"]


@dataclass(frozen=True)
class Declared:
    """A valid schedule: name, fields as in the file, and the resolved days of its calendars."""

    name: str
    schedule: Schedule
    excluded: tuple[str, ...] = ()

    @cached_property
    def timing(self) -> timing.Timing:
        """Its timing, which computes due instants; raises TimingError. Kept, because a load asks for it three times."""
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
    """Parse an instant from the file: ISO 8601; without an offset, local time in the schedule's zone.

    Raises TimingError with ``key`` as its field.
    """
    return None if text is None else timing.parse_instant(text, zone, key)


@dataclass(frozen=True)
class Overlaid:
    """The admin's value of one field of a schedule from the file."""

    value: Any
    by: str
    at: float  #: epoch seconds
    why: str = ""


@dataclass(frozen=True)
class Pause:
    """A pause: by whom, since when, why, and until when (None: until resumed). Times are epoch seconds."""

    by: str
    at: float
    note: str = ""
    until: float | None = None


@dataclass(frozen=True)
class SkipNext:
    """A request to skip one due instant: by whom, when, which one, and why. Times are epoch seconds."""

    by: str
    at: float
    due: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A schedule's form in RedBeat, decoded.

    ``fields`` are the values in force; ``base`` those last loaded from the file or the application (else empty).
    ``due`` is the next due instant (aware UTC) or None when it will never fire again; ``revision`` counts edits.
    """

    name: str
    origin: Origin
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
    zone: str = "UTC"  #: the application's, which RedBeat's crontabs mean; the leader keeps it up to date

    def declared(self) -> Declared:
        """Its fields as a Declared; raises pydantic's ValidationError if they are damaged."""
        fields = dict(self.fields)
        excluded = tuple(fields.pop("excluded", ()))
        return Declared(self.name, Schedule.model_validate(fields), excluded)

    @property
    def is_declared(self) -> bool:
        """Whether the file or the application declares it: loading them may change and remove it."""
        return self.origin in ("file", "app")

    @property
    def tags(self) -> tuple[str, ...]:
        """Its tags, as far as they can be read."""
        tags = self.fields.get("tags")
        return tuple(map(str, tags)) if isinstance(tags, (list, tuple)) else ()

    @property
    def expected_to_fail(self) -> str:
        """Why its failures are no problem; empty if they are."""
        return expected_to_fail(self.fields)

    def with_due(self, due: datetime | None) -> Entry:
        return replace(self, due=due)


def expected_to_fail(fields: Mapping[str, Any]) -> str:
    """The text of ``alerts: {off: why}`` among the fields of a schedule, as far as it can be read."""
    alerts = fields.get("alerts")
    return str(alerts.get("off") or "") if isinstance(alerts, dict) else ""
