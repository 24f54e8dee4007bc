"""From Celery's request for a task to the run that it belongs to."""

from __future__ import annotations

import os
from typing import Any

from celery.app.task import Context
from celery.worker import state
from kombu.utils.compat import detect_environment

from scheduler.sending.headers import run_of


def context_of(request: Any) -> Context | None:
    """The context of a request as the worker's main process holds it, with the process that runs it."""
    context = getattr(request, "_context", request)
    if pid := getattr(request, "worker_pid", None):
        # gevent and eventlet give the number of a greenlet: the process that claimed is this one.
        is_process = detect_environment() == "default"  # type: ignore[no-untyped-call]
        context.claimed_by = worker_name(request.hostname, pid if is_process else os.getpid())
    return context


def worker_name(hostname: str, pid: int) -> str:
    """A process of a worker, as the claim of a run names it."""
    return f"{hostname}:{pid}"


def claimed_by(request: Any) -> str:
    """Who says how the run of this context ends: its claim's token, or in the main process the process that runs it."""
    return getattr(request, "claim_token", None) or getattr(request, "claimed_by", None) or ""


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
