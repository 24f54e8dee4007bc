"""Beat is asked to stop in the middle of its work: it ends its step, frees the lock, and ends well."""

from __future__ import annotations

import random
import signal
import time

import pytest

from scheduler.redis_url import SOCKET_TIMEOUT
from tests.chaos.accounts import reckon
from tests.chaos.service import Service


@pytest.mark.parametrize(
    "point",
    [
        "lease.after_take",
        "lease.before_renew",
        "changes.before_write",
        "dispatch.before_commit",
        "dispatch.after_commit",
    ],
)
def test_a_step_is_ended_and_the_lock_freed(service: Service, point: str) -> None:
    service.declare(4, every="500ms")
    service.load()
    service.worker()
    assert service.beat(faults=f"{point}:term").ends() == 0
    assert service.client.get(service.keys.lock) is None
    service.finish(0.5)
    assert set(reckon(service)) == {"succeeded"}


def test_it_stops_also_while_it_tells_what_it_sent(service: Service) -> None:
    service.declare(200, every="200ms")
    service.load()
    for _ in range(10):
        beat = service.leads(service.beat())
        time.sleep(random.uniform(0.1, 0.3))
        beat.signal(signal.SIGTERM)
        assert beat.ends() == 0, "Celery's own handler ended it by SIGSEGV, or never"
        assert service.client.get(service.keys.lock) is None


def test_a_redis_that_hangs_for_longer_than_a_timeout_is_asked_again_to_free_the_lock(service: Service) -> None:
    service.declare(1, every="1h")
    service.load()
    beat = service.leads(service.beat(faults="lease.before_release:stop"))
    beat.signal(signal.SIGTERM)
    beat.freezes()
    service.client.execute_command("CLIENT", "PAUSE", int(SOCKET_TIMEOUT * 1000) + 500, "ALL")
    beat.thaw()
    assert beat.ends() == 0
    assert service.client.get(service.keys.lock) is None
