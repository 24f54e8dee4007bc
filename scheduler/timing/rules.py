"""What all kinds of timing come down to: the next due instant after an instant, both naive UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from scheduler.timing.segments import Reading, WallClock


class Rule(Protocol):
    """Strictly after, strictly increasing, and it ends: None when there is nothing more."""

    def after(self, instant: datetime) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class OnTheClock:
    """Wall readings, found by ``reading``, in a zone; see WallClock.after for the two flags."""

    clock: WallClock
    reading: Reading
    fixed: bool = True
    corrections: bool = False

    def after(self, instant: datetime) -> datetime | None:
        return self.clock.after(instant, self.reading, fixed=self.fixed, corrections=self.corrections)


@dataclass(frozen=True, slots=True)
class Every:
    """``anchor + k × step`` in absolute time: no drift, whatever the clocks do."""

    anchor: datetime
    step: timedelta

    def after(self, instant: datetime) -> datetime | None:
        return self.anchor + ((instant - self.anchor) // self.step + 1) * self.step


@dataclass(frozen=True, slots=True)
class Once:
    """One instant."""

    instant: datetime

    def after(self, instant: datetime) -> datetime | None:
        return self.instant if instant < self.instant else None
