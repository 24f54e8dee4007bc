"""The outcome of each schedule's last ledger row, from the index that is written in the same steps as the ledger."""

from __future__ import annotations

from scheduler.storage.client import Client
from scheduler.storage.keys import Keys

#: By their numbers in the index, as in ``_ledger.lua``. A schedule without a row is new.
OUTCOMES = ("new", "queued", "running", "succeeded", "failed", "lost", "skipped", "stopped", "unreadable")


def last_outcomes(client: Client, keys: Keys, total: int) -> tuple[str, dict[str, list[str]]]:
    """The names by the outcome of their last row, and the outcome of all others.

    ``total`` is the number of schedules. The most frequent outcome has no list, so at most half of the names are read;
    all are read while the index lacks some, which are new.
    """
    with client.pipeline(transaction=False) as pipe:
        for number in range(len(OUTCOMES)):
            pipe.zcount(keys.outcomes, number, number)
        counts: list[int] = pipe.execute()
        usual = counts.index(max(counts)) if sum(counts) == total else 0
        listed = [number for number, count in enumerate(counts) if count and number != usual]
        for number in listed:
            pipe.zrangebyscore(keys.outcomes, number, number)
        names = pipe.execute()
    return OUTCOMES[usual], {OUTCOMES[number]: those for number, those in zip(listed, names, strict=True)}
