"""Whether a schedule's minute is a busy one is looked at beside the page, and no more often than needed."""

from __future__ import annotations

import pytest
import redis

from scheduler.status import pile_ups
from scheduler.status.catalogue import Catalogue
from scheduler.status.pile_ups import PileUps
from scheduler.storage.store import Store
from tests.support.polling import until
from tests.support.schedules import declared, entry_of


def test_a_look_that_fails_is_not_repeated_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []

    def away(*_: object) -> None:
        looks.append("look")
        raise redis.ConnectionError

    monkeypatch.setattr(pile_ups, "ahead", away)
    minutes, entry = PileUps(store, Catalogue(store)), entry_of(declared())
    for _ in range(3):
        assert minutes.of(entry) is None
        until(lambda: not minutes._look.is_alive(), 30, "the look has ended")
    assert looks == ["look"]
