"""What the main process of a worker knows of the runs under way in its pool."""

from __future__ import annotations

from types import SimpleNamespace

from celery.app.task import Context

from scheduler.worker.requests import claimed_by, context_of, worker_name


def test_the_main_process_names_the_process_that_runs_a_run_as_its_claim_does() -> None:
    request = SimpleNamespace(_context=Context({}), worker_pid=None, hostname="celery@host")
    assert claimed_by(context_of(request)) == ""
    request.worker_pid = 5
    assert claimed_by(context_of(request)) == worker_name("celery@host", 5)
