"""A worker that no longer has a run says nothing of how it ends: another may run it."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
from celery.app.task import Context

from scheduler.model import Run, read_run_id, run_id
from scheduler.sending.headers import RUN_HEADER, task_id
from scheduler.settings import Settings
from scheduler.storage.instants import from_seconds
from scheduler.storage.ledger import Ledger
from scheduler.worker.recorder import Recorder
from scheduler.worker.requests import worker_name
from scheduler.worker.signals import Signals
from scheduler.worker.stops import Asked, Stopper

HOLDER = worker_name("celery@host", 7)


@pytest.fixture
def identity(ledger: Ledger) -> str:
    """A run that HOLDER has claimed."""
    found = run_id("job", from_seconds(time.time()))
    run = Run(found, *read_run_id(found), "running", task="a.task", task_id=task_id(found))
    assert ledger.claim(run, HOLDER, "token") == "claimed"
    return found


@pytest.mark.parametrize(("pid", "outcome"), [(7, "lost"), (8, "running")])
def test_a_run_that_was_killed_is_lost_unless_another_worker_has_it_by_now(
    settings: Settings, ledger: Ledger, identity: str, pid: int, outcome: str
) -> None:
    stopper = Stopper(settings)
    stopper.asked[identity] = Asked(0.0, worker_name("celery@host", pid))
    stopper.look()
    assert (ledger.get(identity).outcome, stopper.asked) == (outcome, {})


@pytest.mark.parametrize(("pid", "outcome"), [(7, "failed"), (None, "running")])
def test_a_message_that_is_revoked_ends_its_run_unless_its_body_began_elsewhere(
    settings: Settings, ledger: Ledger, identity: str, pid: int | None, outcome: str
) -> None:
    context = Context(id=task_id(identity), headers={RUN_HEADER: identity}, hostname="celery@host")
    request: Any = SimpleNamespace(_context=context, worker_pid=pid, hostname="celery@host")
    Signals(Recorder(settings)).revoked(request, expired=False)
    assert ledger.get(identity).outcome == outcome
