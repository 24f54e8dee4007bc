"""How many due instants beat handled, and how many runs started and failed, in each minute of the last two days."""

from __future__ import annotations

from dataclasses import dataclass

from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.records import read_or

HOUR_S = 3600
KEPT_S = 48 * HOUR_S  #: seconds for which a minute is kept


@dataclass
class Minute:
    """What happened in a minute by Redis's clock; ``at`` is its begin in epoch seconds."""

    at: float
    due: int = 0  #: due instants that beat sent or skipped in it; those that were missed count when beat is back
    started: int = 0  #: runs whose first attempt started
    failed: int = 0  #: runs that failed or were lost


def minutes(client: Client, keys: Keys, since: float, until: float) -> list[Minute]:
    """The minutes that begin in ``[since, until]`` (epoch seconds) and in which something happened, oldest first.

    Takes one round trip, however many schedules there are: a hash for each hour. The Lua steps that write the ledger
    count them, see ``_counters.lua``.
    """
    since = max(since, until - KEPT_S)
    hours = range(int(since // HOUR_S), int(until // HOUR_S) + 1)
    with client.pipeline(transaction=False) as pipe:
        for hour in hours:
            pipe.hgetall(keys.minutes(hour))
        answers = pipe.execute(raise_on_error=False)
    by_minute: dict[float, Minute] = {}
    for hour, fields in zip(hours, answers, strict=True):
        for field, text in fields.items() if isinstance(fields, dict) else ():  # else it is another program's key
            what, _, minute = field.partition(":")
            at = float(hour * HOUR_S + read_or(0, int, minute) * 60)
            if what in ("due", "started", "failed"):
                setattr(by_minute.setdefault(at, Minute(at)), what, read_or(0, int, text))
    return [by_minute[at] for at in sorted(by_minute) if since <= at <= until]
