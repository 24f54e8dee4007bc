"""A standby takes over from a leader whose process has died, before its lock expires, and from no leader that lives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from celery import Celery

from scheduler.beat.scheduler import Scheduler
from scheduler.settings import Settings
from scheduler.storage.client import Client, connect
from scheduler.storage.keys import Keys
from tests.support.beats import leads, running_beat, stand_by, standing_by
from tests.support.polling import until


@pytest.fixture
def leader(celery: Celery) -> Iterator[Scheduler]:
    with running_beat(celery) as beat:
        assert leads(beat)
        listen(beat)
        yield beat


def listen(beat: Scheduler) -> None:
    beat.listener.listen(0, lambda: False)


def miss_a_renewal(leader: Scheduler, client: Client, keys: Keys) -> None:
    leader.lease.held = False  # its thread renews no more
    client.pexpire(keys.lock, int(leader.lease.seconds * 1000 / 2))


def disconnect(leader: Scheduler, client: Client, keys: Keys) -> None:
    """As the kernel does it for a process that died."""
    leader.listener.close()
    channel = keys.beat(leader.lease.token)
    until(lambda: client.pubsub_numsub(channel)[0][1] == 0, 60, "Redis notices it")


def test_a_standby_takes_the_lock_of_a_leader_that_died(
    beat: Scheduler, leader: Scheduler, client: Client, keys: Keys
) -> None:
    assert not leads(beat)
    assert stand_by(beat) > 0
    miss_a_renewal(leader, client, keys)
    disconnect(leader, client, keys)
    assert stand_by(beat) == 0
    assert client.get(keys.lock) == leader.lease.token
    assert leads(beat)
    assert client.get(keys.lock) == beat.lease.token
    assert not leader.lease.renew(client), "what it may still send is refused"


@pytest.mark.parametrize("trouble", [miss_a_renewal, disconnect])
def test_a_leader_that_is_late_or_loses_one_connection_keeps_the_lock(
    beat: Scheduler, leader: Scheduler, client: Client, keys: Keys, trouble: object
) -> None:
    assert not leads(beat)
    assert stand_by(beat) > 0
    assert callable(trouble)
    trouble(leader, client, keys)
    assert stand_by(beat) > 0
    assert not leads(beat)
    assert client.get(keys.lock) == leader.lease.token


def test_a_leader_that_was_never_seen_listening_keeps_the_lock_until_it_expires(
    beat: Scheduler, leader: Scheduler, client: Client, keys: Keys
) -> None:
    """One of an older release, one that may not subscribe, and one that has not come back since Redis was away."""
    disconnect(leader, client, keys)
    assert not leads(beat)
    assert stand_by(beat) > 0
    miss_a_renewal(leader, client, keys)
    assert stand_by(beat) > 0
    listen(leader)
    assert stand_by(beat) > 0
    beat.role.redis_was_away()
    disconnect(leader, client, keys)
    assert stand_by(beat) > 0
    assert client.get(keys.lock) == leader.lease.token
    assert standing_by(beat).dead == ""


def test_a_beat_whose_rule_does_not_let_it_subscribe_to_its_own_channel_hears_of_changes(
    settings: Settings, beat: Scheduler, client: Client, keys: Keys
) -> None:
    client.execute_command("ACL", "SETUSER", "older", "reset", "on", ">x", "~*", "+@all", f"&{keys.wake}")
    beat.listener.client = connect(settings)
    beat.listener.client.connection_pool.connection_kwargs |= {"username": "older", "password": "x"}
    listen(beat)
    client.publish(keys.wake, "1")
    heard = beat.listener.pubsub.get_message(timeout=60)  # type: ignore[union-attr]
    client.execute_command("ACL", "DELUSER", "older")
    assert heard is not None
