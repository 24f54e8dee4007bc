"""The rules behind all kinds of timing: each gives the next due instant after an instant, both in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from scheduler.timing.cron.expression import Cron
from scheduler.timing.recurrence import Recurrence
from scheduler.timing.segments import WallClock


class Rule(Protocol):
    """``after`` gives the first due instant strictly after; None if there are no more."""

    def after(self, instant: datetime) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class OnTheClock:
    """Wall readings in a zone; see WallClock.after for the two flags. Nothing after ``until``."""

    clock: WallClock
    readings: Cron | Recurrence
    fixed: bool = True
    corrections: bool = False
    until: datetime | None = None

    def after(self, instant: datetime) -> datetime | None:
        due = self.clock.after(instant, self.readings.reading, self.fixed, self.corrections)
        return None if due is not None and self.until is not None and due > self.until else due


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


@dataclass(frozen=True, slots=True)
class AfterLast:
    """Celery's interval: ``step`` after the last run; with a clock it is ``relative``, rounded down to whole units."""

    step: timedelta
    clock: WallClock | None = None

    def after(self, instant: datetime) -> datetime | None:
        """The instant one step after ``instant``, which is the last run; always later than that."""
        due = instant + self.step
        if self.clock is None:
            return due
        from celery.utils.time import remaining  # not for every import: only other programs' entries need it

        start = instant.astimezone(self.clock.zone)
        rounded: datetime = instant + remaining(start, self.step, start, relative=True)
        if rounded > instant:
            return rounded
        # Celery runs a step below a second at once, and again one step later.
        return due if self.step < timedelta(minutes=1) else instant + timedelta(microseconds=1)
