"""Overlap and catch-up while beats and workers die: bodies of one schedule never meet, every instant has its row."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict

import pytest

from scheduler.model import read_run_id
from tests.chaos.accounts import reckon
from tests.chaos.processes import Process
from tests.chaos.service import Service

pytestmark = pytest.mark.xdist_group("chaos")
TAKES = 1.4  #: seconds of a body, longer than the schedule's second
POLICIES = [(overlap, catch_up) for overlap in ("skip", "queue") for catch_up in ("none", "latest", "all")]
KILLS = 6


def threads(service: Service) -> Process:
    return service.worker("--pool=threads", "--concurrency=8")


def test_overlap_and_catch_up_hold_while_beats_and_workers_die(service: Service) -> None:
    for overlap, catch_up in POLICIES:
        service.declare(
            2, f"{overlap}-{catch_up}-", overlap=overlap, catch_up=catch_up, args=[TAKES], kwargs={"due": "${due}"}
        )
    service.load()
    beats = [service.leads(service.beat(lease="3")), service.beat(lease="3")]
    workers = [threads(service) for _ in range(3)]
    for number in range(KILLS):
        service.goes_on(random.uniform(0.5, 2))
        some, start = (workers, threads) if number % 2 else (beats, lambda service: service.beat(lease="3"))
        some.pop(0).kill()
        some.append(start(service))
    for beat in beats:
        beat.stop()
    service.finish()
    outcomes = reckon(service)
    assert outcomes["succeeded"] > len(POLICIES)
    assert outcomes["skipped"] > len(POLICIES)
    assert set(outcomes) <= {"succeeded", "skipped", "lost"}
    assert closest(service) > TAKES - 0.1, "two bodies of one schedule at once"


@pytest.mark.parametrize("expires", ["none", "1h"])
def test_retries_that_outlive_the_period_end_as_their_last_attempt_did(service: Service, expires: str) -> None:
    """The two retries take 3 s, while the schedule is due each second."""
    for overlap in ("skip", "allow"):
        kwargs = {"ending": "fail at times"}
        service.declare(3, f"{overlap}-", overlap=overlap, retries=2, kwargs=kwargs, expires=expires)
    service.load()
    beat = service.leads(service.beat())
    threads(service)
    service.end(beat, 4)
    assert set(reckon(service)) == {"succeeded", "failed", "skipped"}
    rows = service.runs()
    assert {row.attempt for row in rows if row.outcome == "failed"} == {3}
    late = {"expired"} if expires == "none" else set()  # those that a busy worker takes after the next due instant
    assert {"overlap"} <= {row.reason for row in rows if row.outcome == "skipped"} <= {"overlap"} | late


def closest(service: Service) -> float:
    """The least time, in seconds, between the beginnings of two bodies of one schedule."""
    begun: dict[str, list[float]] = defaultdict(list)
    for line in service.bodies.read_text().splitlines():
        run, _, at = line.split()
        begun[read_run_id(run)[0]].append(float(at))
    return min(later - one for times in begun.values() for one, later in itertools.pairwise(sorted(times)))
