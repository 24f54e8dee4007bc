"""What the main process of a worker knows of the runs under way in its pool."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
from celery.app.task import Context

from scheduler.worker.requests import claimed_by, context_of, worker_name


def test_the_main_process_names_the_process_that_runs_a_run_as_its_claim_does() -> None:
    request = SimpleNamespace(_context=Context({}), worker_pid=None, hostname="celery@host")
    assert claimed_by(context_of(request)) == ""
    request.worker_pid = 5
    assert claimed_by(context_of(request)) == worker_name("celery@host", 5)


def test_a_greenlet_claims_as_the_process_that_it_is_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scheduler.worker.requests.detect_environment", lambda: "gevent")
    request = SimpleNamespace(_context=Context({}), worker_pid=140_000_000_000_000, hostname="celery@host")
    assert claimed_by(context_of(request)) == worker_name("celery@host", os.getpid())
