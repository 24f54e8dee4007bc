"""A worker, or a child of its pool, is killed at each step of a run: the body runs once at most, and the run ends."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from scheduler.errors import Exit
from scheduler.model import Run
from tests.chaos.accounts import reckon
from tests.chaos.processes import Process
from tests.chaos.service import Service
from tests.support.alive import is_alive, state
from tests.support.polling import until

#: Each step, and what becomes of the run; before the claim nothing had begun, after the close all was over.
STEPS = {
    "recorder.before_claim": "succeeded",
    "recorder.after_claim": "lost",
    "recorder.after_body": "lost",
    "recorder.before_close": "lost",
    "recorder.after_close": "succeeded",
}
SETTLED = 60  #: seconds until a vanished worker's run has ended


def one_due_instant(service: Service, **fields: Any) -> None:
    """One run in the queue, sent by a beat that goes on."""
    service.load_one_due_soon(**fields)
    service.leads(service.beat())


def the_run(service: Service) -> Run:
    [run] = service.ledger.runs("s0")
    return run


def ends_as(service: Service, outcome: str) -> None:
    """The run ends so, in time, and stays so when its message is delivered once more."""
    until(lambda: has_ended_as(service, outcome), SETTLED, f"its outcome is not {outcome}")
    deliver_again(service)
    until(lambda: is_quiet(service), SETTLED, "its message is still under way")
    assert reckon(service) == {outcome: 1}


def has_ended_as(service: Service, outcome: str) -> bool:
    thaw_children(service)
    return the_run(service).outcome == outcome


def is_quiet(service: Service) -> bool:
    """Whether no message waits and none is with a worker."""
    thaw_children(service)
    return not service.client.llen("celery") and not service.client.hlen("unacked")


def thaw_children(service: Service) -> None:
    """The children that take the place of a dead one stop at the same fault, once each."""
    for process in service.processes:
        for pid in process.children():
            if state(pid) == "T":
                os.kill(pid, signal.SIGCONT)


def deliver_again(service: Service) -> None:
    """What another worker does with the messages of a dead one, when their leases have ended."""
    for tag, kept in service.client.hgetall("unacked").items():
        service.client.lpush("celery", json.dumps(json.loads(kept)[0]))
        service.client.hdel("unacked", tag)


@pytest.mark.parametrize(("step", "outcome"), STEPS.items())
def test_a_worker_that_dies_there_runs_no_body_twice(service: Service, step: str, outcome: str) -> None:
    one_due_instant(service)
    assert service.worker(faults=f"{step}:kill").ends() == -signal.SIGKILL
    service.worker()
    ends_as(service, outcome)


@pytest.mark.parametrize(
    ("ending", "step", "outcome"),
    [
        ("ignore", "recorder.before_close", "lost"),
        ("ignore", "recorder.after_close", "succeeded"),
        ("exit", "recorder.after_close", "failed"),
    ],
)
def test_a_worker_that_dies_as_a_body_ends_without_a_result_runs_it_no_second_time(
    service: Service, ending: str, step: str, outcome: str
) -> None:
    one_due_instant(service, args=[0.0, ending])
    assert service.worker(faults=f"{step}:kill").ends() == -signal.SIGKILL
    service.worker()
    ends_as(service, outcome)


def test_a_worker_that_cannot_be_prepared_takes_no_run(service: Service) -> None:
    one_due_instant(service)
    assert service.worker(flask_app="no_such_module:app").ends() == Exit.CONFIG
    until(lambda: service.client.llen("celery"), SETTLED, "the run waits in its queue")
    assert the_run(service).outcome == "queued"
    assert not service.client.hlen("unacked")
    service.worker()
    ends_as(service, "succeeded")


def frozen_child(worker: Process) -> int:
    """The child of the pool that stopped at its fault."""
    return until(lambda: next((pid for pid in worker.children() if state(pid) == "T"), None), 60, "no child is frozen")


@pytest.mark.parametrize(("step", "outcome"), STEPS.items())
def test_a_child_of_the_pool_that_dies_there_runs_no_body_twice(service: Service, step: str, outcome: str) -> None:
    one_due_instant(service)
    worker = service.worker("--concurrency=1", faults=f"{step}:stop")
    os.kill(frozen_child(worker), signal.SIGKILL)
    ends_as(service, outcome)


def test_a_run_that_asks_for_it_runs_again_when_its_worker_vanished(service: Service) -> None:
    one_due_instant(service, on_lost="rerun")
    assert service.worker(faults="recorder.after_claim:kill").ends() == -signal.SIGKILL
    service.worker()
    ends_as(service, "succeeded")
    assert [(it.number, it.outcome) for it in the_run(service).attempts] == [(1, "lost"), (2, "succeeded")]


def test_a_worker_that_was_frozen_past_its_lease_tells_how_the_run_ended(service: Service) -> None:
    one_due_instant(service)
    worker = service.worker(faults="recorder.after_claim:stop")
    worker.freezes()
    until(lambda: the_run(service).outcome == "lost", SETTLED, "lost")
    service.worker()
    worker.thaw()
    ends_as(service, "succeeded")


def kill_main(worker: Process) -> None:
    worker.kill()


def kill_machine(worker: Process) -> None:
    worker.kill_all()


def kill_child(worker: Process) -> None:
    for pid in worker.children():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("kill", [kill_main, kill_machine, kill_child])
def test_no_program_outlives_its_run_however_the_worker_dies(service: Service, kill: Callable[[Process], None]) -> None:
    pids = service.directory / "pids"
    program = f"sleep 600 & echo $$ $! >> {pids}; wait"
    service.load_one_due_soon(task="scheduler.tasks.run_command", kwargs={"argv": ["sh", "-c", program]})
    service.leads(service.beat())
    worker = service.worker("--concurrency=1")
    until(lambda: pids.exists() and pids.read_text().endswith("\n"), 60, "the program has started")
    started = pids.read_text().split()
    kill(worker)
    until(lambda: not any(is_alive(int(pid)) for pid in started), 60, "the program and its child have ended")
