"""A backfill goes on whatever dies, and no due instant of it runs twice."""

from __future__ import annotations

from datetime import datetime

import pytest

from scheduler.changes import backfills
from scheduler.model import run_id
from scheduler.storage.backfills import Backfills
from scheduler.storage.instants import to_seconds
from tests.chaos.accounts import bodies_of
from tests.chaos.service import Service
from tests.support.health import assert_every_index_is_the_scan
from tests.support.polling import until
from tests.support.schedules import MINUTE

pytestmark = pytest.mark.xdist_group("chaos")
INSTANTS = 200
AT_ONCE = 10
KILLS = 10
QUIET = "--loglevel=WARNING"


def begin(service: Service) -> list[datetime]:
    """A backfill of so many minutes before now; returns its due instants."""
    service.declare(1, every="1m", overlap="skip", kwargs={"seconds": 0.02, "due": "${due}"})
    service.load()
    first = service.first["s0"] - INSTANTS * MINUTE
    found = backfills.plan(service.store, service.ledger, "s0", first, service.first["s0"], "missed", AT_ONCE, "ann")
    backfills.begin(service.store, found)
    assert len(found.runs) == INSTANTS
    return list(found.runs)


def ended(service: Service) -> int:
    return sum(Backfills(service.client, service.keys).get("s0")[1].values())


def test_each_due_instant_of_a_backfill_runs_once_through_ten_kills_of_beat_and_worker(service: Service) -> None:
    dues = begin(service)
    workers = [service.worker("--concurrency=2", QUIET), service.worker("--pool=solo", QUIET)]
    for number in range(KILLS):
        if number % 3 == 2:  # the beat before it has just sent all that may run at once
            workers[0].kill_all()
            workers[0] = service.worker("--concurrency=2", QUIET)
        else:
            point = "backfill.after_send" if number % 3 else "backfill.before_send"
            service.beat(faults=f"{point}:kill").ends()
            service.bury()
    beat = service.leads(service.beat())
    stored = Backfills(service.client, service.keys)
    until(lambda: stored.get("s0")[0].state == "done", 300, "the backfill is done")
    beat.stop()
    assert_every_index_is_the_scan(service.client, service.keys, service.ledger, service.store)
    begun = bodies_of(service)
    rows = {run.id: run for run in service.runs() if run.due <= to_seconds(dues[-1])}
    assert rows.keys() == {run_id("s0", due) for due in dues}
    assert {run.outcome for run in rows.values()} <= {"succeeded", "lost"}
    lost = [run.id for run in rows.values() if run.outcome == "lost"]
    assert len(lost) <= KILLS // 3 * 2, "more than the killed workers ran at once"
    assert {begun[id_] for id_ in rows if id_ not in lost} == {1}
    assert max(begun[id_] for id_ in rows) == 1
    assert stored.get("s0")[0].sent == len(dues) == ended(service)
