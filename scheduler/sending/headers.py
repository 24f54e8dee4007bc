"""The headers of ours in a message: beat writes them, the worker reads them."""

from __future__ import annotations

from typing import Any

from celery.app.task import Context

RUN_HEADER = "scheduler_run"  #: header that carries the run's identity to the worker
RETRIES_HEADER = "scheduler_retries"  #: header that carries the schedule's `retries`
REFERENCES_HEADER = "scheduler_references"  #: header that tells the worker to fill in what the arguments refer to


def run_of(request: Context | None) -> str | None:
    """The identity of the run that a request belongs to; None for a task that no schedule sent."""
    found: str | None = header(request, RUN_HEADER)
    return found


def header(request: Context | None, name: str) -> Any:
    """One of our headers, wherever Celery put it; None where there is none."""
    found = getattr(request, name, None)
    return found if found is not None else (getattr(request, "headers", None) or {}).get(name)
