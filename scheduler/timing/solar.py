"""Sunrise, sunset and other solar events at a place; needs the optional package ephem.

Each event is computed from the start of its own solar day and rounded to the second: ephem's result depends slightly on
the start of its search, and a due instant must not.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from scheduler.kept import kept
from scheduler.timing.errors import TimingError
from scheduler.timing.zones import EPOCH

#: event to (horizon in degrees, direction, whether the sun's centre counts), as Celery defines them
EVENTS = {
    "dawn_astronomical": ("-18", "rising", True),
    "dawn_nautical": ("-12", "rising", True),
    "dawn_civil": ("-6", "rising", True),
    "sunrise": ("-0:34", "rising", False),
    "solar_noon": ("0", "transit", False),
    "sunset": ("-0:34", "setting", False),
    "dusk_civil": ("-6", "setting", True),
    "dusk_nautical": ("-12", "setting", True),
    "dusk_astronomical": ("-18", "setting", True),
}
DAY = timedelta(days=1)
#: a search ends after this many days: longer than any polar night
MAX_DAYS = 370
REMEDY = "write an event, a latitude and a longitude: sunset 52.52 13.40"


@dataclass(frozen=True, slots=True)
class Sun:
    """One event at one place."""

    event: str
    latitude: float
    longitude: float

    def after(self, instant: datetime) -> datetime | None:
        """The next time of this event; None if the sun has none within MAX_DAYS, as near the poles."""
        first = (instant - self._noon_shift() - EPOCH) // DAY
        for day in range(first - 1, first + MAX_DAYS):
            events = _events(self, day)
            at = bisect_right(events, instant)
            if at < len(events):
                return events[at]
        return None

    def _noon_shift(self) -> timedelta:
        return timedelta(hours=-self.longitude / 15)

    def on(self, day: int) -> tuple[datetime, ...]:
        """The events of the day with that number since 1970, from mean local midnight to the next."""
        ephem = _ephem()
        begin = EPOCH + self._noon_shift() + day * DAY
        horizon, direction, centre = EVENTS[self.event]
        observer = ephem.Observer()
        observer.lat, observer.lon, observer.elev = str(self.latitude), str(self.longitude), 0
        # No air pressure: the horizon of -0:34 has the refraction in it, as Celery defines it.
        observer.horizon, observer.pressure = horizon, 0
        options: dict[str, Any] = {"use_center": True} if centre else {}
        events: list[datetime] = []
        moment = begin
        while moment < begin + DAY:
            try:
                answer = getattr(observer, f"next_{direction}")(ephem.Sun(), start=moment, **options)
                moment = answer.datetime().replace(tzinfo=UTC)
            except (ephem.CircumpolarError, ValueError):  # the sun does not rise or set, or after the year 9999
                break
            event = (moment + timedelta(milliseconds=500)).replace(microsecond=0)
            if begin <= event < begin + DAY:
                events.append(event)
            # From the event itself, ephem may find the same one again.
            moment += timedelta(minutes=5)
        return tuple(events)


@kept(4096)
def _events(sun: Sun, day: int) -> tuple[datetime, ...]:
    return sun.on(day)


def _ephem() -> Any:
    try:
        import ephem
    except ImportError:
        raise TimingError("solar", "solar timings need the package ephem", "pip install ephem") from None
    return ephem


def solar(text: str) -> Sun:
    """The rule of ``sunset 52.52 13.40``; TimingError if it is wrong or ephem is missing."""
    parts = text.split()
    if len(parts) != 3:
        raise TimingError("solar", f"solar {text[:40]!r} has {len(parts)} part{'s' if len(parts) != 1 else ''}", REMEDY)
    event = parts[0].lower()
    if event not in EVENTS:
        raise TimingError("solar", f"solar event {parts[0][:40]!r} is unknown", f"use {', '.join(EVENTS)}")
    _ephem()
    return Sun(event, _degrees("latitude", parts[1], 90), _degrees("longitude", parts[2], 180))


def _degrees(name: str, text: str, limit: int) -> float:
    if not re.fullmatch(r"[+-]?\d{1,3}(\.\d{1,10})?", text, re.ASCII) or abs(float(text)) > limit:
        raise TimingError("solar", f"{name} {text[:20]!r} is not from -{limit} to {limit}", REMEDY)
    return float(text)
