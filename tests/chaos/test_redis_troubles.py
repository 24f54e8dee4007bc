"""Redis refuses for a while or comes back with older data, and all else lives: each due instant has one account."""

from __future__ import annotations

import shutil
import time

import pytest

from scheduler.storage import health
from tests.chaos.accounts import bodies_of, reckon
from tests.chaos.processes import Launcher
from tests.chaos.service import Service
from tests.chaos.service import service as run_service
from tests.support.busy_redis import meanwhile_busy
from tests.support.other_kinds import OUR_KINDS, replace
from tests.support.polling import until
from tests.support.refusals import KINDS, READABLE, mend

pytestmark = pytest.mark.xdist_group("chaos")


@pytest.mark.parametrize("kind", READABLE)
def test_what_falls_due_while_redis_refuses_runs_when_it_does_not(service: Service, kind: str) -> None:
    service.declare(5)
    service.load()
    beat = service.leads(service.beat())
    service.worker()
    service.goes_on(0.5)
    refuse, meaning, _ = KINDS[kind]
    refuse(service.redis)
    until(lambda: meaning in beat.output, 60, "beat says what Redis refuses")
    mend(service.redis)
    service.end(beat)
    assert set(reckon(service)) == {"succeeded"}


def test_what_falls_due_while_redis_is_busy_with_a_script_runs_when_it_is_not(service: Service) -> None:
    service.declare(5)
    service.load()
    beat = service.leads(service.beat())
    worker = service.worker()
    until(lambda: bodies_of(service), 60, "the worker works")
    with meanwhile_busy(service.redis) as free:
        until(lambda: "is busy with a Lua script" in beat.output, 60, "beat says what Redis refuses")
        free()
    service.end(beat)
    assert set(reckon(service)) == {"succeeded"}
    assert "Traceback" not in beat.output + worker.output


def test_a_redis_that_comes_back_with_older_data_runs_nothing_again(launcher: Launcher) -> None:
    with run_service(launcher, "always") as service:
        service.declare(20)
        service.load()
        beat = service.leads(service.beat())
        service.worker()
        service.goes_on(1)
        nothing_is_due(service)  # the older data would deliver a message again that waits now
        log, older = service.directory / "appendonlydir", service.directory / "older"
        shutil.copytree(log, older)
        copied = time.time()
        service.goes_on(2)
        service.settles()
        service.redis.kill()
        died = time.time()
        shutil.rmtree(log)
        older.rename(log)
        service.redis.start(*service.redis_options)
        service.end(beat)
        assert reckon(service, torn=[(copied, died)])["torn"] >= 20
        assert max(bodies_of(service).values()) == 1


def nothing_is_due(service: Service) -> None:
    """Wait for a moment between two seconds at which no message waits."""
    until(lambda: 0.3 < time.time() % 1 < 0.6 and not service.open_runs(time.time()), 60, "nothing is due")


def test_a_redis_that_loses_everything_as_beat_works_leaves_no_due_instant_without_its_account(
    service: Service,
) -> None:
    """Each of several times, and with the due instant of the tick that notices it."""
    service.declare(20)
    service.load()
    beat = service.leads(service.beat())
    service.worker()
    for _ in range(3):
        service.goes_on(1)
        nothing_is_due(service)
        service.client.flushall()
        flushed = time.time()
    service.end(beat)
    outcomes = reckon(service, torn=[(0, flushed)], rows_lost=True)
    assert set(outcomes) == {"succeeded"}
    assert max(bodies_of(service).values()) == 1


def test_keys_of_another_kind_that_appear_as_beat_works_cost_no_due_instant(service: Service) -> None:
    service.declare(5)
    service.load()
    beat = service.leads(service.beat(lease="3"))
    service.worker()
    service.goes_on(1)
    nothing_is_due(service)
    for key in OUR_KINDS:
        replace(service.client, key)
    until(lambda: not of_another_kind(service), 60, "all of them are set aside")
    until(lambda: health.is_fresh(service.client, service.keys), 60, "the indexes are whole again")
    service.end(beat)
    assert set(reckon(service)) == {"succeeded"}
    assert max(bodies_of(service).values()) == 1


def of_another_kind(service: Service) -> list[str]:
    return [key for key, kind in OUR_KINDS.items() if service.client.type(key) not in (kind, "none")]


def test_a_redis_that_is_away_again_as_the_worker_connects_is_waited_for_as_ever(service: Service) -> None:
    service.declare(2)
    service.load()
    beat = service.leads(service.beat())
    worker = service.worker(faults="consumer.before_connect:stop")
    worker.freezes()
    service.redis.kill()
    worker.thaw()
    until(lambda: "Waiting for Redis" in worker.output, 60, "the worker says that Redis is away")
    service.redis.start(*service.redis_options)
    service.end(beat)
    assert set(reckon(service)) == {"succeeded"}
    assert "Trying again" not in worker.output, "Celery's pauses become longer and longer"
