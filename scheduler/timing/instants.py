"""Parse instants and dates."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

from scheduler.timing.errors import TimingError
from scheduler.timing.segments import EARLIEST, LATEST, wall_clock

ISO = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?\s?([Zz]|[+-]\d\d(:?\d\d)?)?", re.ASCII)


def parse_instant(text: str, zone: str = "UTC", field: str = "at") -> datetime:
    """Parse ISO 8601 as an aware UTC instant; without an offset, it is wall time in the zone. Raises TimingError.

    A reading that the clocks repeat means the first occurrence; one that they skip means right after the gap.
    """
    text = text.strip()
    shown = f"{field} {text[:40]!r}"
    instant = read_instant(text, zone, field, shown)
    if not EARLIEST <= instant <= LATEST:
        raise TimingError(field, f"{shown} does not exist in every time zone", "use a date before 9999-12-24")
    return instant


def read_instant(text: str, zone: str, field: str, shown: str) -> datetime:
    """The instant of this text, which messages name as ``shown``; raises TimingError."""
    if not ISO.fullmatch(text):
        raise TimingError(field, f"{shown} is not a date and time", "write it like 2026-12-24T18:00")
    try:
        value = datetime.fromisoformat(text.replace(" +", "+").replace(" -", "-").upper().replace(" Z", "Z"))
        if value.tzinfo is not None:
            return value.astimezone(UTC)
        value = value.replace(tzinfo=UTC)
        # Wall readings are whole seconds; the fraction is added to the instant.
        whole = value.replace(microsecond=0)
        instant = wall_clock(zone).instant(whole)
        return instant + (value - whole)
    except (ValueError, OverflowError) as error:
        if isinstance(error, TimingError):
            raise
        raise TimingError(field, f"{shown} does not exist", "use a date and a time of day that exist") from None


def parse_date(text: str, field: str) -> date:
    """The date of ``2026-12-25``; TimingError otherwise."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        try:
            return date.fromisoformat(text)
        except ValueError:
            raise TimingError(field, f"{field} {text!r} does not exist", "use a date that exists") from None
    raise TimingError(field, f"{field} {text[:40]!r} is not a date", "write it like 2026-12-25")


def utc(instant: datetime) -> datetime:
    """An aware instant of any zone in UTC; ValueError for a naive one, which could mean anything."""
    if instant.tzinfo is UTC:
        return instant
    if instant.tzinfo is None:
        raise ValueError(f"{instant!r} has no time zone: pass an aware UTC datetime")
    return instant.astimezone(UTC)
