"""One beat leads: the lock is taken once, renewed while beat lives, and free when it stops or dies."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from scheduler.beat import lease as module
from scheduler.beat.lease import Lease
from scheduler.settings import Settings
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.lock import holder, last_led
from tests.support.polling import until


@pytest.fixture
def short(settings: Settings) -> Settings:
    """A lease that a test can outlive."""
    return replace(settings, lease=3.0, max_interval=0.1)


@pytest.fixture
def lease(settings: Settings, client: Client) -> Iterator[Lease]:
    made = Lease(settings)
    yield made
    made.release(client)


def test_the_first_takes_the_lock_and_the_second_does_not(lease: Lease, settings: Settings, client: Client) -> None:
    second = Lease(settings)
    assert (lease.campaign(client), second.campaign(client)) == (True, False)
    assert (lease.held, second.held) == (True, False)


def test_the_lock_ends_by_itself(lease: Lease, client: Client, keys: Keys) -> None:
    lease.campaign(client)
    assert 0 < client.pttl(keys.lock) <= lease.seconds * 1000
    assert 0 < client.pttl(keys.leader) <= lease.seconds * 1000 * module.FACTS_KEPT_LEASES


def test_the_leader_says_who_it_is_and_since_when(lease: Lease, client: Client, keys: Keys) -> None:
    before = time.time()
    lease.campaign(client)
    found = holder(client, keys)
    assert found is not None
    assert found.name == lease.name
    assert 0 < found.remaining <= lease.seconds
    assert before <= found.since <= time.time()


def test_nobody_leads_without_a_lock(client: Client, keys: Keys) -> None:
    assert holder(client, keys) is None


def test_a_lock_that_says_nothing_is_a_stock_beats(client: Client, keys: Keys) -> None:
    client.set(keys.lock, "token", px=60_000)
    found = holder(client, keys)
    assert found is not None
    assert found.name == "a beat without a name"
    assert 30 < found.remaining <= 60


def test_a_stock_beat_is_not_named_after_the_leader_that_died(lease: Lease, client: Client, keys: Keys) -> None:
    lease.campaign(client)
    client.set(keys.lock, "token", px=60_000)
    found = holder(client, keys)
    assert found is not None
    assert found.name == "a beat without a name"


def test_a_leader_says_again_who_it_is_after_some_leases(
    lease: Lease, client: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease.campaign(client)
    client.delete(keys.leader)
    assert lease.renew(client)
    assert not client.exists(keys.leader)
    monkeypatch.setattr(module, "FACTS_LEASES", 0)
    assert lease.renew(client)
    assert client.hget(keys.leader, "name") == lease.name


def test_renewing_holds_the_lock_for_another_lease(lease: Lease, client: Client, keys: Keys) -> None:
    lease.campaign(client)
    client.pexpire(keys.lock, 500)
    assert lease.renew(client)
    assert client.pttl(keys.lock) > 500


def test_a_lock_that_is_anothers_is_neither_renewed_nor_released(lease: Lease, client: Client, keys: Keys) -> None:
    lease.campaign(client)
    client.set(keys.lock, "another's", px=60_000)
    assert not lease.renew(client)
    assert not lease.held
    lease.release(client)
    assert client.get(keys.lock) == "another's"


def test_a_lock_that_ended_is_not_renewed(lease: Lease, client: Client, keys: Keys) -> None:
    lease.campaign(client)
    client.delete(keys.lock)
    assert not lease.renew(client)
    assert not client.exists(keys.lock)


def test_releasing_frees_the_lock_and_wakes_who_waits(
    lease: Lease, settings: Settings, client: Client, keys: Keys
) -> None:
    lease.campaign(client)
    with client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe(keys.wake)
        pubsub.get_message(timeout=60)
        lease.release(client)
        assert pubsub.get_message(timeout=60) is not None
    assert not client.exists(keys.lock, keys.leader)
    second = Lease(settings)
    assert second.campaign(client)
    second.release(client)


def test_when_a_beat_led_last_is_remembered_after_it_stopped(lease: Lease, client: Client, keys: Keys) -> None:
    assert last_led(client, keys) is None
    before = time.time()
    lease.campaign(client)
    lease.release(client)
    led = last_led(client, keys)
    assert led is not None
    assert before <= led <= time.time()


def test_a_lock_whose_taking_was_never_answered_is_taken_at_the_next_try(
    lease: Lease, client: Client, keys: Keys
) -> None:
    """The connection broke after Redis had set it."""
    client.set(keys.lock, lease.token, px=15_000)
    assert lease.campaign(client)
    assert lease.held


def test_a_busy_beat_keeps_the_lock_without_asking(short: Settings, client: Client, keys: Keys) -> None:
    busy = Lease(short)
    assert busy.campaign(client)
    until_renewed(busy, client, keys, times=3)
    busy.release(client)


def until_renewed(lease: Lease, client: Client, keys: Keys, times: int) -> None:
    """Nobody but its own thread asks Redis for it, and it is never free meanwhile."""
    for _ in range(times):
        left = client.pttl(keys.lock)
        while (now := client.pttl(keys.lock)) <= left:
            lease.progress()
            assert client.get(keys.lock) == lease.token
            left = now
            time.sleep(0.02)


def test_a_beat_that_hangs_loses_the_lock(
    short: Settings, client: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HUNG_AFTER_S", 0.5)
    hung = Lease(short)
    assert hung.campaign(client)
    until(lambda: not client.exists(keys.lock), 60, "the lock of a beat that hangs is not free")
    second = Lease(short)
    assert second.campaign(client)
    second.release(client)


def test_a_beat_that_leads_again_renews_again(short: Settings, client: Client, keys: Keys) -> None:
    again = Lease(short)
    for _ in range(2):
        assert again.campaign(client)
        client.set(keys.lock, "another's", px=60_000)
        assert not again.renew(client)
        client.delete(keys.lock)
    assert again.campaign(client)
    until_renewed(again, client, keys, times=2)
    again.release(client)


def test_two_beats_of_one_machine_have_names_and_tokens_of_their_own(settings: Settings) -> None:
    first, second = Lease(settings), Lease(settings)
    assert first.token != second.token
    assert first.name
