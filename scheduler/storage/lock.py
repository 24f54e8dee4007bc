"""Who holds RedBeat's lock: everybody may ask, only beat holds on to it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import cast

from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.records import read_or, seconds


@dataclass(frozen=True)
class Holder:
    """Who holds the lock, as far as it says so, and for how many seconds more."""

    name: str
    remaining: float
    since: float = 0.0
    version: str = ""  #: its release
    lease: float = 0.0  #: seconds that its lock lasts without renewal; 0 where it does not say so
    token: str = field(default="", repr=False)  #: what the lock holds


class LostLock(Exception):
    """The lock is another beat's: nothing was sent."""


def holder(client: Client, keys: Keys) -> Holder | None:
    """Who leads now; a stock RedBeat beat holds the lock without a name."""
    with client.pipeline(transaction=False) as pipe:  # a Redis that is full refuses every transaction
        pipe.pttl(keys.lock)
        pipe.hgetall(keys.leader)
        pipe.get(keys.lock)
        remaining, facts, token = pipe.execute()
    if remaining == -2:
        return None
    if "lease" in facts and remaining / 1000 > read_or(math.inf, seconds, facts["lease"]):
        facts = {}  # a leader of this service died, and a stock beat leads: its lock lasts longer
    since, lease = (read_or(0.0, seconds, facts.get(fact)) for fact in ("since", "lease"))
    name = facts.get("name", "a beat without a name")
    return Holder(name, remaining / 1000, since, facts.get("version", ""), lease, token or "")


def last_led(client: Client, keys: Keys) -> float | None:
    """When a beat led last, in epoch seconds; None if that is not stored, or cannot be read."""
    seen = cast("str | None", client.get(keys.last_led))
    return read_or(None, seconds, seen) if seen else None
