"""Instants as they are stored, in epoch microseconds or in seconds as RedBeat's scores, and as JSON has them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

from scheduler.timing import BEGINNING, LATEST, get_zone

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SECOND = timedelta(seconds=1)
EARLIEST_S = (BEGINNING - EPOCH) / SECOND
LATEST_S = (LATEST - EPOCH) / SECOND


def clock() -> datetime:
    """Now, aware UTC."""
    return from_seconds(time.time())


def to_micros(instant: datetime | None) -> str:
    """Epoch microseconds as text, empty for None."""
    return "" if instant is None else str((instant - EPOCH) // MICROSECOND)


def from_micros(text: str | None) -> datetime | None:
    """The aware UTC instant of epoch microseconds; None for nothing. Raises ValueError if not every zone has it."""
    if not text:
        return None
    if not EARLIEST_S <= int(text) / 1_000_000 <= LATEST_S:
        raise ValueError(f"{text[:40]} is not an instant")
    return EPOCH + timedelta(microseconds=int(text))


def to_seconds(instant: datetime) -> float:
    """Epoch seconds."""
    return (instant - EPOCH) / SECOND


def from_seconds(seconds: float) -> datetime:
    """The aware UTC instant of epoch seconds, to the microsecond."""
    return EPOCH + timedelta(microseconds=round(seconds * 1_000_000))


def iso(instant: datetime | float | None) -> str | None:
    """An instant as ISO 8601 in UTC; None for None or 0."""
    if not instant:
        return None
    moment = from_seconds(instant) if isinstance(instant, (int, float)) else instant
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


@lru_cache(maxsize=1024)  # many schedules are due at the same instant
def to_redbeat_json(instant: datetime | None) -> str:
    """An aware instant, in UTC, as RedBeat's encoder writes it into ``meta``."""
    if instant is None:
        return "null"
    instant = instant.astimezone(UTC)
    return (
        f'{{"__type__": "datetime", "year": {instant.year}, "month": {instant.month}, "day": {instant.day}, '
        f'"hour": {instant.hour}, "minute": {instant.minute}, "second": {instant.second}, '
        f'"microsecond": {instant.microsecond}, "timezone": "UTC"}}'
    )


def from_redbeat(value: Any) -> datetime | None:
    """An instant from RedBeat's ``meta``; its zone is a name or an offset in seconds. Raises ValueError, TypeError."""
    if not isinstance(value, dict):
        return None
    parts = {key: part for key, part in value.items() if key not in ("__type__", "timezone")}
    zone = value.get("timezone", "UTC")
    tzinfo = timezone(timedelta(seconds=zone)) if isinstance(zone, (int, float)) else get_zone(zone)
    return datetime(**parts, tzinfo=tzinfo).astimezone(UTC)
