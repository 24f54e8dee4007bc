"""From Celery's request for a task to the run that it belongs to."""

from __future__ import annotations

from typing import Any

from celery.app.task import Context
from celery.worker import state

from scheduler.sending.headers import run_of


def context_of(request: Any) -> Context | None:
    """The context of a request as the worker's main process holds it."""
    return getattr(request, "_context", request)


def active_requests() -> list[Any]:
    """What is under way in this worker's pool."""
    while True:
        try:
            return list(state.active_requests)
        except RuntimeError:  # the main thread took or ended one meanwhile
            continue


def runs_of_this_worker() -> list[str]:
    """The runs that are under way in this worker's children."""
    return [run_id for request in active_requests() if (run_id := run_of(context_of(request))) is not None]


def plain_calls_of_this_worker() -> list[str]:
    """The Celery ids of the other tasks that are under way there."""
    return [request.id for request in active_requests() if run_of(context_of(request)) is None]
