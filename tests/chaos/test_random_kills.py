"""Two hundred schedules, and something is killed again and again at a moment that nobody chose."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from celery import Celery

from scheduler import changes
from scheduler.errors import NotFound
from tests.chaos.accounts import bodies_of, reckon
from tests.chaos.page import acting_page
from tests.chaos.processes import Process
from tests.chaos.service import RUN_LEASE, Service
from tests.support.polling import until

pytestmark = pytest.mark.xdist_group("chaos")
SCHEDULES = 200
QUIET = "--loglevel=WARNING"


@pytest.fixture
def dice() -> random.Random:
    """Set CHAOS_SEED to what a failed test printed, to throw the same again."""
    seed = int(os.environ.get("CHAOS_SEED") or time.time_ns() % 1_000_000)
    print(f"CHAOS_SEED={seed}")
    return random.Random(seed)


@pytest.fixture
def busy(service: Service) -> Service:
    service.declare(SCHEDULES)
    service.load()
    return service


def solo(service: Service) -> Process:
    return service.worker("--pool=solo", QUIET)


def forking(service: Service) -> Process:
    return service.worker("--concurrency=2", QUIET)


def test_beat_is_killed_a_hundred_times(service: Service, dice: random.Random) -> None:
    """While it starts, once it leads, and once it sends.

    Only every five seconds is more due than one step takes: all that falls due while no beat leads must run in the end,
    and with each schedule due every second, a busy machine falls behind for as long as the test lasts.
    """
    service.declare(SCHEDULES // 4)
    service.declare(SCHEDULES - SCHEDULES // 4, "t", every="5s")
    service.load()
    for _ in range(2):
        solo(service)
    for number in range(100):
        beat = service.beat()
        if number % 2:
            service.leads(beat)
        if number % 4 == 3:
            service.sends()
        time.sleep(dice.uniform(0, 0.5))
        beat.kill()
        service.bury()
    service.finish()
    assert set(reckon(service)) == {"succeeded"}


def kill_main(worker: Process, dice: random.Random) -> None:
    worker.kill()


def kill_machine(worker: Process, dice: random.Random) -> None:
    worker.kill_all()


def kill_child(worker: Process, dice: random.Random) -> None:
    with suppress(ProcessLookupError, IndexError):
        os.kill(dice.choice(worker.children()), signal.SIGKILL)


@pytest.mark.parametrize("kill", [kill_main, kill_machine, kill_child])
def test_workers_are_killed_again_and_again(
    busy: Service, dice: random.Random, kill: Callable[[Process, random.Random], None]
) -> None:
    beat = busy.leads(busy.beat())
    workers = [forking(busy), solo(busy)]
    kills = 6
    for _ in range(kills):
        time.sleep(1 - time.time() % 1 + dice.uniform(0, 0.4))  # in the midst of what the second brought
        kill(workers[0], dice)
        if workers[0].status is not None:
            workers[0] = forking(busy)
    busy.end(beat, 0)
    outcomes = reckon(busy)
    assert set(outcomes) <= {"succeeded", "lost"}
    assert outcomes["lost"] <= 2 * kills, "more than the children of the pool had begun"


def test_the_failing_schedules_are_known_whatever_is_killed(service: Service, dice: random.Random) -> None:
    """The reckoning compares the index of failing schedules with what every row of the ledger says.

    The page's process is killed a hundred times, beat six times; the test above kills beat a hundred times.
    """
    service.declare(30, kwargs={"ending": "fail at times"})
    service.load()
    workers = [forking(service), solo(service)]
    acted_on = list(service.first)[::3]
    with acting_page(service, acted_on) as page:
        for number in range(6):
            beat = service.leads(service.beat())
            time.sleep(dice.uniform(0, 0.4))
            beat.kill()
            service.bury()
            if number % 3 == 0:
                kill_machine(workers[0], dice)
                workers[0] = forking(service)
            if number % 3 == 2:
                page.kill(50)
    assert {run.by for run in service.runs() if run.manual} == {"admin"}
    for name in acted_on:
        with suppress(NotFound):
            changes.resume(service.store, name, by="test")
    service.finish()
    assert reckon(service)["failed"]


def test_plain_calls_run_once_but_for_those_whose_worker_was_killed(service: Service, dice: random.Random) -> None:
    """They wait, run and are delivered again for longer than the lease of a message, which is 3 s here.

    Celery takes a message from its queue before it notes that it has it: a killed worker loses the one in its hand.
    """
    calls, kills = 30, 3
    with Celery("caller", broker=service.redis.url, set_as_current=False) as app:
        for number in range(calls):
            seconds = 2 * RUN_LEASE if number % 10 == 0 else 0.2
            app.send_task("tests.chaos.bodies.note", kwargs={"seconds": seconds}, countdown=number % 3 * RUN_LEASE)
    workers = [forking(service), forking(service)]
    for _ in range(kills):
        before = sum(bodies_of(service).values())
        until(lambda: sum(bodies_of(service).values()) > before, 60, "another call runs")  # noqa: B023
        time.sleep(dice.uniform(0, 0.4))
        kill_machine(workers[0], dice)
        workers[0] = forking(service)
    until(lambda: not service.client.llen("celery") and not service.client.hlen("unacked"), 120, "no message is left")
    begun = bodies_of(service)
    assert len(begun) >= calls - kills, "each kill may lose one call at most"
    assert sum(begun.values()) <= calls + 2 * kills, f"more than the killed children had begun: {begun}"
