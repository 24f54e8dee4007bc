"""Redis is killed, and comes back with what it had written.

What is promised. With `appendfsync always` nothing is lost. With `everysec` a crash of Redis takes only what it
answered while the disk was slow, for then it keeps its writes to itself for up to two seconds; a crash of the machine
takes what was not synced, which is the last second. The service then stands where it stood before, as a whole: every
due instant still has exactly one account, and only a run whose body began in that time may begin once more, or count
as lost.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.chaos.accounts import reckon
from tests.chaos.processes import Launcher, Process
from tests.chaos.proxy import proxy
from tests.chaos.service import Service
from tests.chaos.service import service as run_service
from tests.support.meanwhile import meanwhile

LOST_AT_MOST = 1.0  #: seconds
KEPT_BACK = 2.0  #: seconds for which Redis does not write to a disk that is busy


def set_to_work(service: Service, schedules: int = 200) -> None:
    service.declare(schedules)
    service.load()
    service.leads(service.beat())
    for _ in range(2):
        service.worker("--pool=solo", "--loglevel=WARNING")


@pytest.mark.xdist_group("chaos")
@pytest.mark.parametrize("fsync", ["everysec", "always"])
def test_redis_is_killed_and_nothing_is_lost(launcher: Launcher, fsync: str) -> None:
    with run_service(launcher, fsync) as service:
        # Each step of a run waits for the disk with `always`, and the workers would never catch up with more.
        set_to_work(service, 200 if fsync == "everysec" else 40)
        torn = []
        for _ in range(3):
            service.goes_on(0.7)
            service.redis.kill()
            torn += [(time.time() - KEPT_BACK, time.time())] if fsync == "everysec" else []
            service.redis.start(*service.redis_options)
        service.end(service.processes[0])
        assert set(reckon(service, torn=torn)) - {"torn"} == {"succeeded"}


BEAT = ("dispatch.before_commit", "dispatch.after_commit", "lease.before_renew:2")
WORKER = ("recorder.before_claim", "recorder.after_claim", "recorder.before_close", "recorder.after_close")


def frozen_at(service: Service, point: str, **more: str) -> Process:
    """A beat or a worker that stopped there, and the other of the two at work."""
    service.declare(2, every="500ms")
    service.load()
    name, _, times = point.partition(":")
    arming = {"faults": f"{name}:stop:{times or 1}", **more}
    if point in BEAT:
        service.worker()
        stopped = service.beat(**arming)
    else:
        service.beat()
        stopped = service.worker(**arming)
    stopped.freezes()
    return stopped


def goes_on_as_before(service: Service, thawed: Process) -> None:
    thawed.thaw()
    [leader] = [process for process in service.processes if process.log.stem.startswith("beat")]
    service.end(leader)
    assert set(reckon(service)) == {"succeeded"}


@pytest.mark.parametrize("point", [*BEAT, *WORKER])
def test_redis_dies_between_two_steps_and_nothing_is_lost(service: Service, point: str) -> None:
    stopped = frozen_at(service, point)
    service.redis.kill()
    service.redis.start(*service.redis_options)
    goes_on_as_before(service, stopped)


@pytest.mark.parametrize("point", ["dispatch.before_commit", "recorder.before_claim", "recorder.before_close"])
def test_the_answer_to_a_step_is_lost_and_the_step_is_not_done_twice(service: Service, point: str) -> None:
    with proxy(service.directory) as way:
        stopped = frozen_at(service, point, redis_url=way.url)
        way.lose_the_next_answer()
        goes_on_as_before(service, stopped)
        assert way.swallowed.is_set()


class Written:
    """How long the append-only file was, and when."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.sizes: list[tuple[float, int]] = []

    @contextmanager
    def watched(self) -> Iterator[None]:
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.02):
                self.sizes.append((time.time(), self.file.stat().st_size))

        with meanwhile(watch):
            try:
                yield
            finally:
                over.set()

    def cut(self, when: float) -> float:
        """Take away what was written after that, and a torn end with it; returns the instant that is left."""
        then, size = max(seen for seen in self.sizes if seen[0] <= when)
        os.truncate(self.file, size - 7)
        return then


@pytest.mark.xdist_group("chaos")
def test_the_machine_of_redis_dies_and_takes_the_last_second_with_it(service: Service) -> None:
    set_to_work(service)
    [file] = (service.directory / "appendonlydir").glob("*.incr.aof")
    written = Written(file)
    with written.watched():
        service.goes_on(2.5)
    service.redis.kill()
    died = time.time()
    left = written.cut(died - LOST_AT_MOST)
    service.redis.start(*service.redis_options)
    service.end(service.processes[0])
    outcomes = reckon(service, torn=[(left - KEPT_BACK, died)])
    assert set(outcomes) - {"torn"} == {"succeeded"}
