"""A leader that looks for changes, and sinks of the test."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from scheduler.alerts.sinks import KINDS
from scheduler.beat import deliveries
from scheduler.beat.alerts import Look
from scheduler.settings import Settings
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.store import Store, Write
from tests.support.looks import TOKEN, Receiver, sinks
from tests.support.schedules import declared, entry_of


@pytest.fixture
def receivers(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Receiver]]:
    made = {"ops": Receiver(), "second": Receiver()}
    for name, receiver in made.items():
        monkeypatch.setitem(KINDS, name, receiver)
    monkeypatch.setattr(deliveries, "POLL_S", 0.02)
    monkeypatch.setattr(deliveries, "PAUSES_S", (0.05,))
    yield made
    for receiver in made.values():
        receiver.free.set()


@pytest.fixture
def look(client: Client, keys: Keys, settings: Settings, store: Store) -> Look:
    """The leader's looks for changes, with one sink; two schedules are there."""
    store.write([Write(name, None, entry_of(declared(name))) for name in ("job", "other")])
    client.hset(keys.file, "alerts", json.dumps(sinks("ops")))
    client.set(keys.lock, TOKEN)
    return Look(client, settings, keys, TOKEN)
