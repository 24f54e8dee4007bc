"""Start a chain, group or chord, and delete old results: what Celery's beat does for an application."""

from __future__ import annotations

from typing import Any

from celery import Task, shared_task
from celery.canvas import maybe_signature


@shared_task(name="scheduler.tasks.start_canvas", bind=True, file_only=True)
def start_canvas(self: Task, canvas: dict[str, Any]) -> str:
    """Start a chain, group or chord, and return the id of its result; its tasks are calls of their own."""
    started = maybe_signature(canvas, app=self.app).apply_async()
    return str(started.id)


@shared_task(name="scheduler.tasks.clean_results", bind=True)
def clean_results(self: Task) -> None:
    """Delete expired results from a result backend that does not do so itself."""
    self.app.backend.cleanup()
