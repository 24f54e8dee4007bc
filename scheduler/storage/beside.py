"""The rows of a ledger before and after one of its runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from scheduler.model import Run, read_run_id
from scheduler.storage.ledger import Ledger, read_run
from scheduler.storage.renamed import present_name


class Beside(NamedTuple):
    """By due instant; None at an end."""

    older: Run | None
    newer: Run | None


def beside(ledger: Ledger, run: Run) -> Beside:
    """Those of a run, also of one whose schedule was renamed since. Reads all ids of its ledger, but two rows only."""
    client, keys = ledger.client, ledger.keys
    name = present_name(client, keys, run.id, run.schedule)
    places = list(places_of(client.hkeys(keys.ledger(name))))
    here = next(places_of([run.id]))
    older = max((it for it in places if it < here), default=None)
    newer = min((it for it in places if it > here), default=None)

    def row(place: tuple[float, str] | None) -> Run | None:
        stored = client.hget(keys.ledger(name), place[1]) if place else None
        return read_run(place[1], stored) if place and stored else None

    return Beside(row(older), row(newer))


def places_of(ids: list[str]) -> Iterator[tuple[float, str]]:
    """The due instants of runs in epoch seconds, with their ids; other fields of a ledger have none."""
    for run_id in ids:
        with suppress(ValueError):
            yield read_run_id(run_id)[1], run_id
