"""From Celery's request for a task to the run that it belongs to."""

from __future__ import annotations

from typing import Any

from celery.app.task import Context
from celery.worker import state

from scheduler.sending.headers import run_of


def context_of(request: Any) -> Context | None:
    """The context of a request as the worker's main process holds it."""
    return getattr(request, "_context", request)


def runs_of_this_worker() -> list[str]:
    """The runs that are under way in this worker's children."""
    while True:
        try:
            run_ids = [run_of(context_of(request)) for request in state.active_requests]
            return [run_id for run_id in run_ids if run_id is not None]
        except RuntimeError:  # the main thread took or ended one meanwhile
            continue
