"""Time zones from the pinned ``tzdata`` package, so that every machine of a fleet agrees on what 02:30 means."""

from __future__ import annotations

import difflib
import hashlib
import struct
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from io import BytesIO
from typing import NamedTuple
from zoneinfo import ZoneInfo

from scheduler.timing.errors import TimingError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: zone files mark "before all transitions" with values that no datetime can hold
EARLIEST = -62_135_596_800


@cache
def zone_names() -> frozenset[str]:
    """Every IANA name that a schedule may use, old spellings included."""
    return frozenset(resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


@cache
def get_zone(name: str) -> ZoneInfo:
    """The zone of that IANA name; TimingError with the nearest names if there is none."""
    if name not in zone_names():
        raise TimingError("timezone", f"unknown time zone {name[:60]!r}", suggestion(name[:60]))
    with _file(name).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def rules(name: str) -> bytes:
    """The zone's file."""
    return _file(name).read_bytes()


def read_rules(data: bytes) -> ZoneInfo:
    """A zone from its file, which may be that of an earlier release; raises ValueError."""
    return ZoneInfo.from_file(BytesIO(data))


@cache
def fingerprint() -> str:
    """The same for the same zone data; that of this process, even if the files are replaced meanwhile."""
    root = resources.files("tzdata") / "zoneinfo"
    digest = hashlib.sha256()
    for name in sorted(zone_names()):
        digest.update(name.encode() + b"\0" + (root / name).read_bytes())
    return digest.hexdigest()


class Changes(NamedTuple):
    """When a zone changes its offset."""

    listed: tuple[datetime, ...] = ()  #: UTC instants, in order
    goes_on: bool = False  #: whether a yearly rule follows the last one


@cache
def changes(name: str) -> Changes:
    """The changes listed in the zone's file, and whether its closing rule adds later ones.

    Layout: RFC 8536, the second, 64-bit block; the rule is the last line.
    """
    data = _file(name).read_bytes()
    first = _counts(data, 0)
    start = 44 + first[3] * 5 + first[4] * 6 + first[5] + first[2] * 8 + first[1] + first[0]
    count = _counts(data, start)[3]
    moments = struct.unpack_from(f">{count}q", data, start + 44)
    listed = tuple(EPOCH + timedelta(seconds=moment) for moment in moments if moment > EARLIEST)
    return Changes(listed, b"," in data.rsplit(b"\n", 2)[-2])


def offset_at(zone: tzinfo, instant: datetime) -> timedelta:
    """The zone's UTC offset at a UTC instant."""
    offset = instant.astimezone(zone).utcoffset()
    return offset or timedelta(0)


def suggestion(name: str) -> str:
    """What to write instead of a zone name that does not exist."""
    near = nearest(name)
    return f"did you mean {near}?" if near else "use an IANA name such as Europe/Berlin, America/New_York or UTC"


def nearest(name: str) -> str | None:
    """The zone that a misspelled name or a city means."""
    known = {known.lower(): known for known in sorted(zone_names())}
    cities = {lower.rpartition("/")[2]: full for lower, full in known.items()}
    wanted = name.lower().replace(" ", "_")
    near = difflib.get_close_matches(wanted, known, n=1, cutoff=0.75)
    city = difflib.get_close_matches(wanted.rpartition("/")[2], cities, n=1, cutoff=0.8)
    return known[near[0]] if near else cities[city[0]] if city else None


def _file(name: str) -> Traversable:
    return resources.files("tzdata").joinpath("zoneinfo", *name.split("/"))


def _counts(data: bytes, at: int) -> tuple[int, ...]:
    """The six counts of a header: UT flags, standard flags, leap seconds, transitions, types, characters."""
    return struct.unpack_from(">6l", data, at + 20)
