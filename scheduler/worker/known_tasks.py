"""The tasks that a worker came to know later, in the processes of its pool that were forked before."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from celery import Celery
from celery.app.trace import build_tracer
from redis import RedisError

from scheduler.process.modules import TaskModules
from scheduler.storage.workers import last_good_imports
from scheduler.worker.recorded_task import RecordedTask


def complete_in_children(app: Celery) -> None:
    """Let children that were forked before their worker imported a module import it too, when a run needs it."""
    registry, main = app.tasks, os.getpid()
    if hasattr(type(registry), "scheduler_main"):
        return

    def missing(tasks: Any, name: str) -> Any:
        if os.getpid() != main:
            import_in_child(app)
        if name not in tasks:
            raise tasks.NotRegistered(name)
        return tasks[name]

    # Celery's functions hold this very registry, so it cannot be replaced by another one.
    registry.__class__ = type("Tasks", (type(registry),), {"__missing__": missing, "scheduler_main": main})


def import_in_child(app: Celery) -> None:
    """Import what the last good schedule file names, and let these tasks claim and record their runs."""
    modules: TaskModules = app.scheduler_modules
    ledger = app.scheduler_recorder.ledger
    with suppress(RedisError):
        modules.want(last_good_imports(ledger.client, ledger.keys) or modules.wanted)
    modules.load(modules.wanted)
    for name, task in list(app.tasks.items()):
        if not isinstance(task, RecordedTask) and not name.startswith("celery."):
            RecordedTask.record(task, app.scheduler_recorder)
            task.__trace__ = build_tracer(name, task, app.loader, None, app=app)
