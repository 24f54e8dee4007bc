"""Runs that follow others, and runs of a group, while beat and workers die."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import pytest
import yaml

from scheduler import celeryapp, changes
from scheduler.model import Run
from scheduler.sending.dispatch import Dispatcher
from scheduler.storage.instants import from_seconds
from tests.chaos.accounts import bodies_of, reckon
from tests.chaos.service import Service
from tests.support.polling import until

pytestmark = pytest.mark.xdist_group("chaos")
LINKS = ("s0", "c1", "c2", "c3", "c4")
PLACES = 3


def chain(service: Service) -> None:
    """Five schedules, each of which starts the next; only the first has a time."""
    for name, following in zip(LINKS[1:], (*LINKS[2:], ""), strict=True):
        own = {"task": "tests.chaos.bodies.note", "every": "1d", "enabled": False}
        service.declared[name] = own | ({"then": {"always": following}} if following else {})
    service.load_one_due_soon(then="c1")


@pytest.mark.parametrize("step", ["recorder.before_close", "recorder.after_close"])
def test_a_chain_of_five_runs_once_each_through_three_deaths(service: Service, step: str) -> None:
    chain(service)
    beats = [service.beat(faults="followers.before_commit:kill")]
    # It ends its first run, and dies with the second.
    worker = service.worker("--pool=solo", faults=f"{step}:kill:2")
    beats[0].ends()
    service.bury()
    beats.append(service.beat(faults="followers.after_commit:kill"))
    beats[1].ends()
    service.bury()
    service.beat()
    worker.ends()
    service.worker()
    until(lambda: any(run.finished for run in service.ledger.runs(LINKS[-1])), 60, "the last one does not end")
    rows = {name: service.ledger.runs(name) for name in LINKS}
    assert {name: len(runs) for name, runs in rows.items()} == dict.fromkeys(LINKS, 1)
    ended = [rows[name][0] for name in LINKS]
    lost = "lost" if step == "recorder.before_close" else "succeeded"
    assert [run.outcome for run in ended] == ["succeeded", lost, "succeeded", "succeeded", "succeeded"]
    assert [run.parent for run in ended] == ["", *(run.id for run in ended[:-1])]
    assert bodies_of(service) == {run.id: 1 for run in ended}
    assert not service.client.exists(service.keys.followers)


def most_at_once(service: Service) -> int:
    """How many runs were between their start and their end at once, at most."""
    began = [(run.started, 1) for run in service.runs() if run.started]
    ended = [(run.finished, -1) for run in service.runs() if run.started]
    most = now = 0
    for _, change in sorted(began + ended):
        now += change
        most = max(most, now)
    return most


def has_begun(service: Service, bodies: int) -> bool:
    return len(bodies_of(service)) >= bodies


def test_a_group_never_has_more_runs_than_places_and_none_starves_while_workers_are_killed(service: Service) -> None:
    begin = int(time.time()) + 3
    times = {"start": from_seconds(begin).isoformat(), "end": from_seconds(begin + 4).isoformat()}
    body: dict[str, Any] = {"kwargs": {"seconds": 0.05}, "group": "warehouse", "overlap": "queue", "max_queued": 100}
    service.declare(40, every="1s", **times, **body)
    groups = {"warehouse": {"max_running": PLACES}}
    service.settings.file.write_text(yaml.safe_dump({"groups": groups, "schedules": service.declared}), "utf-8")
    service.load()
    beat = service.leads(service.beat())
    workers = [service.worker("--concurrency=3", "--loglevel=WARNING") for _ in range(2)]
    for number in range(3):
        enough = 40 * number + 20
        until(partial(has_begun, service, enough), 60, f"no {enough} bodies began")
        workers[number % 2].kill_all()
        workers[number % 2] = service.worker("--concurrency=3", "--loglevel=WARNING")
    service.end(beat, 0)
    outcomes = reckon(service)
    assert sum(outcomes.values()) == 200
    assert set(outcomes) <= {"succeeded", "lost"}
    assert outcomes["lost"] <= 3 * PLACES
    assert most_at_once(service) <= PLACES
    assert not service.client.exists(service.keys.group("warehouse"), service.keys.group_queue("warehouse"))


def test_a_run_that_is_replaced_each_second_is_stopped_and_only_the_newest_goes_on(service: Service) -> None:
    begin = int(time.time()) + 3
    times = {"start": from_seconds(begin).isoformat(), "end": from_seconds(begin + 5).isoformat()}
    body: dict[str, Any] = {"kwargs": {"seconds": 600.0}, "overlap": "replace"}
    service.declare(4, every="1s", **times, **body)
    service.load()
    beat = service.leads(service.beat())
    service.worker("--concurrency=8", "--loglevel=WARNING")
    service.goes_on(begin + 5 - time.time(), 60)
    newest = [service.ledger.runs(f"s{number}")[0] for number in range(4)]
    until(partial(are_running, service, newest), 60, "the newest runs do not all run")
    for name in service.first:
        first, *rest = service.ledger.runs(name)
        assert {run.outcome for run in rest} == {"stopped"}
        assert {run.reason for run in rest} == {"replaced"}
        assert all(run.finished <= first.started for run in rest), "it started only when the older ones had ended"
    for run in newest:
        assert service.ledger.stop(run.id, "stopped by test") == "asked"
    service.end(beat, 0)
    assert set(reckon(service)) == {"stopped"}


def are_running(service: Service, runs: list[Run]) -> bool:
    return all(service.ledger.get(run.id).outcome == "running" for run in runs)


@pytest.mark.parametrize("step", ["later.before_commit", "later.after_commit"])
def test_a_run_for_a_later_time_is_sent_once_by_the_leader_after_the_one_that_died_with_it(
    service: Service, step: str
) -> None:
    service.declare(1, every="1d", enabled=False)
    service.load()
    celery = celeryapp.build(service.settings)
    dispatcher = Dispatcher(celery, service.client, service.keys, service.settings)
    at, known = from_seconds(time.time() + 1), changes.Known(tasks=None, file_only=())
    identity = changes.run_at(dispatcher, service.store, service.ledger, "s0", at, by="ann", known=known)
    service.beat(faults=f"{step}:kill").ends()
    service.bury()
    service.beat()
    service.worker()
    until(lambda: service.ledger.get(identity).finished, 60, "it does not end")
    assert bodies_of(service) == {identity: 1}
    assert not service.client.exists(service.keys.later)
