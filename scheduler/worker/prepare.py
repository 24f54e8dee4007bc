"""Prepares a worker before its pool starts; not in a handler of Celery's signals, whose errors Celery only logs."""

from __future__ import annotations

from celery import Celery

from scheduler.errors import ConfigurationError
from scheduler.process.ending import must_succeed
from scheduler.registry import flask_target
from scheduler.sending.readable import is_limit
from scheduler.settings import Settings
from scheduler.worker.known_tasks import complete_in_children
from scheduler.worker.recorded_task import RecordedTask

LIMITS = ("time_limit", "soft_time_limit")


@must_succeed
def prepare(app: Celery) -> None:
    """Let every task claim and record its runs; ends the process where Flask's module or a task is unfit."""
    settings: Settings = app.scheduler_settings
    if settings.flask_app:
        flask_target(settings.flask_app)
    app.finalize()
    complete_in_children(app)
    refuse_unreadable_limits(app)
    for task in app.tasks.values():
        if not isinstance(task, RecordedTask) and not task.name.startswith("celery."):
            RecordedTask.record(task, app.scheduler_recorder)


def refuse_unreadable_limits(app: Celery) -> None:
    """Raise ConfigurationError for a task with a time limit that no worker can read."""
    for task in app.tasks.values():
        for limit in LIMITS:
            if not is_limit(getattr(task, limit)):
                raise ConfigurationError(
                    f"task {task.name} has {limit}={getattr(task, limit)!r}: give it a number of seconds"
                )
