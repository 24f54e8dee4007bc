"""A leader that does not send what is due, and workers of another release, are problems."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from scheduler import __version__
from scheduler.command_name import command_name
from scheduler.settings import Settings
from scheduler.status import problems
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.store import Store
from scheduler.storage.workers import Worker, report
from tests.support.schedules import MINUTE
from tests.support.shop import Shop


@pytest.fixture
def leads(client: Client, keys: Keys) -> None:
    """A beat of this release has led for an hour."""
    client.set(keys.lock, "ours")
    client.hset(keys.leader, mapping={"name": "host:1", "since": time.time() - 3600, "version": __version__})


def sentences(store: Store, settings: Settings, word: str) -> list[str]:
    return [str(it) for it in problems.problems(store, settings) if word in it.sentence]


@pytest.mark.usefixtures("leads")
def test_a_leader_that_sends_nothing_is_named_until_it_has_sent(shop: Shop, settings: Settings) -> None:
    shop.now = shop.now.fromtimestamp(time.time(), shop.now.tzinfo)
    shop.add("late", late=5 * MINUTE)
    shop.add("soon", late=-MINUTE)
    assert sentences(shop.store, settings, "behind") == [
        "Beat is behind: schedule 'late' was due more than a minute ago and not sent yet: "
        f"see what `{command_name()} up` prints on host, and start that again if it hangs"
    ]
    shop.commit()
    assert sentences(shop.store, settings, "behind") == []


@pytest.mark.usefixtures("leads")
def test_a_leader_that_has_just_taken_over_gets_a_minute(
    shop: Shop, settings: Settings, client: Client, keys: Keys
) -> None:
    client.hset(keys.leader, "since", time.time())
    shop.now = shop.now.fromtimestamp(time.time(), shop.now.tzinfo)
    shop.add("late", late=5 * MINUTE)
    assert sentences(shop.store, settings, "behind") == []


@pytest.mark.usefixtures("leads")
def test_a_worker_of_another_release_is_named_while_it_lives(
    store: Store, settings: Settings, client: Client, keys: Keys
) -> None:
    worker = Worker("old@host", time.time(), 10, ("celery",), version="0.0.9")
    others: list[dict[str, Any]] = [
        {"name": "same@host", "version": __version__},
        {"name": "gone", "seen": 1.0},
        {"name": "leaving@host", "is_draining": True},
    ]
    for it in (worker, *(replace(worker, **other) for other in others)):
        report(client, keys, it)
    assert sentences(store, settings, "release") == [
        f"Worker old@host is of release 0.0.9, and beat of {__version__}: install the same release on every host"
    ]
