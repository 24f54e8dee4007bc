"""Which schedule a run belongs to: ids keep the name of their time, and ledgers go along with the present one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from scheduler.storage.client import Client
from scheduler.storage.keys import Keys

MAX_RENAMES = 10  #: of one schedule, as _ledger.lua has it; names can go round in a circle


def names_since(client: Client, keys: Keys, name: str) -> Iterator[str]:
    """This name, and each that a schedule got by a rename since, oldest first."""
    yield name
    for _ in range(MAX_RENAMES):
        following = client.get(keys.moved(name))
        if following is None:
            return
        name = following
        yield name


def present_name(client: Client, keys: Keys, run_id: str, name: str) -> str:
    """The name of the ledger that has a run whose id has ``name``, which may be another schedule's by now.

    ``name`` itself if none has it.
    """
    return next((it for it in names_since(client, keys, name) if client.hexists(keys.ledger(it), run_id)), name)


def former_names(fields: Iterable[str], name: str) -> list[str]:
    """The names that a schedule had before, as the ids of the runs in its ledger have them."""
    return sorted({field.rpartition("@")[0] for field in fields} - {name, ""})
