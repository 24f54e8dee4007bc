"""Several beats at once, and one that wakes up late: only the one that holds the lock sends."""

from __future__ import annotations

import re
import time

import pytest

from tests.chaos.accounts import reckon
from tests.chaos.processes import Process
from tests.chaos.service import SHORT_LEASE, Service
from tests.support.polling import until


def leader(service: Service, beats: list[Process]) -> Process:
    """The beat that leads, once there is one."""

    def found() -> Process | None:
        name = service.client.hget(service.keys.leader, "name") or ""
        return next((beat for beat in beats if name.endswith(f":{beat.pid}")), None)

    return until(found, 60, f"none of {beats} leads")


@pytest.mark.parametrize("count", [2, 3])
def test_of_several_beats_one_sends_and_another_takes_over_when_it_dies(service: Service, count: int) -> None:
    service.declare(200)
    service.load()
    service.worker("--pool=solo", "--loglevel=WARNING")
    beats = [service.beat(lease=str(SHORT_LEASE)) for _ in range(count)]
    for _ in range(count - 1):
        service.goes_on(0.5)
        dead = leader(service, beats)
        dead.kill()
        beats.remove(dead)
        service.goes_on(SHORT_LEASE)
    service.goes_on(0)
    for beat in beats:
        beat.stop()
    service.drains()
    assert set(reckon(service)) == {"succeeded"}


@pytest.mark.parametrize(
    "point", ["dispatch.before_commit:stop:2", "dispatch.after_commit:stop:2", "lease.before_renew:stop:3"]
)
def test_a_leader_that_was_frozen_past_its_lease_sends_nothing_when_it_wakes_up(service: Service, point: str) -> None:
    service.declare(20)
    service.load()
    service.worker("--pool=solo", "--loglevel=WARNING")
    stale = service.beat(faults=point, lease=str(SHORT_LEASE))
    stale.freezes()
    frozen, said = time.time(), len(stale.output)
    fresh = service.leads(service.beat(lease=str(SHORT_LEASE)))
    service.goes_on(0.5)
    stale.thaw()
    stale.says("Lost the lock")
    stale.says("Standing by: ")
    service.goes_on(1.0)
    told = re.findall(r"Sent (\S+) to", stale.output[said:])
    late = [run_id for run_id in told if service.ledger.get(run_id).sent > frozen]
    assert not late, "sent by a beat that had lost the lock"
    assert told or "after_commit" not in point, "what it had sent before it is told when it wakes up"
    fresh.kill()
    service.leads(stale)
    service.goes_on(0.5)
    stale.stop()
    service.drains()
    assert set(reckon(service)) == {"succeeded"}
