"""A problem says since when it is there, where something stored tells it, and not when it was looked at."""

from __future__ import annotations

import time

import pytest
import time_machine
from celery import Celery

from scheduler import __version__
from scheduler.settings import Settings
from scheduler.status.problems import problems
from scheduler.status.problems.problem import ServiceProblem
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.store import Store
from scheduler.storage.workers import Worker, leave, report
from tests.support.beats import GOOD, LOG_IT, lead, running_beat, write_file
from tests.support.shop import Shop
from tests.support.workers import seem_to_work


def the(word: str, store: Store, settings: Settings) -> ServiceProblem:
    """The problem with this word."""
    (found,) = [it for it in problems(store, settings) if word in it.sentence]
    return found


def test_a_file_is_wrong_since_it_was_rejected_first_however_often_it_is_saved_again(
    celery: Celery, store: Store, settings: Settings
) -> None:
    with running_beat(celery) as beat:
        for name in "ab":
            write_file(settings, f"schedules: {{{name}: {{task: {LOG_IT}, args: [1, 2]}}}}")
            lead(beat)
            facts = store.file_facts()
            assert the(f"schedule '{name}'", store, settings).since == float(facts["wrong"]) <= float(facts["read"])
        assert float(facts["wrong"]) < float(facts["read"])
        write_file(settings, GOOD)
        lead(beat)
    assert "wrong" not in store.file_facts()


def test_a_schedule_is_quarantined_since_beat_set_it_aside_whatever_its_error_is_by_now(
    shop: Shop, settings: Settings, client: Client, keys: Keys
) -> None:
    shop.add()
    client.set(keys.lock, "ours")

    def since(error: str) -> float | None:
        assert shop.store.set_aside("job", str(shop.store.get("job").revision), error, "ours")
        return the(error, shop.store, settings).since

    begun = time.time()
    first = since("its task is gone")
    assert first
    assert begun <= first <= time.time()
    assert since("its queue is gone") == first
    client.hset(keys.entry("job"), mapping={"error": "", "error_at": "0"})  # a person changed it
    assert (since("its task is gone") or 0) >= (first or 0)


def test_no_worker_answers_since_the_last_one_did(store: Store, settings: Settings, client: Client, keys: Keys) -> None:
    assert the("No worker", store, settings).since is None, "there was never one"
    at = time.time() - 300
    with time_machine.travel(at, tick=False):
        seem_to_work(client, keys)
    leave(client, keys, "celery@host")
    assert the("No worker", store, settings).since == pytest.approx(at, abs=1)


@pytest.mark.parametrize(("started", "leads_since"), [(500.0, 100.0), (100.0, 500.0)])
def test_releases_differ_since_the_later_of_beat_and_worker_started(
    store: Store, settings: Settings, client: Client, keys: Keys, started: float, leads_since: float
) -> None:
    client.set(keys.lock, "ours")
    client.hset(keys.leader, mapping={"name": "host:1", "since": leads_since, "version": __version__})
    report(client, keys, Worker("old@host", time.time(), 3600.0, ("celery",), version="0.0.9", started=started))
    assert the("release 0.0.9", store, settings).since == 500.0
