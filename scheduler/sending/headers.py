"""Our headers in a message: beat writes them, the worker reads them."""

from __future__ import annotations

from typing import Any

from celery.app.task import Context

RUN_HEADER = "scheduler_run"  #: header that carries the run's identity to the worker
RETRIES_HEADER = "scheduler_retries"  #: header that carries the schedule's `retries`
REFERENCES_HEADER = "scheduler_references"  #: header that tells the worker to fill in what the arguments refer to


def run_of(request: Context | None) -> str | None:
    """The identity of the run that a request belongs to; None for a task that no schedule sent."""
    identity: str | None = header(request, RUN_HEADER)
    return identity


def header(request: Context | None, name: str) -> Any:
    """One of our headers, wherever Celery put it; None if it is missing."""
    value = getattr(request, name, None)
    return value if value is not None else (getattr(request, "headers", None) or {}).get(name)
