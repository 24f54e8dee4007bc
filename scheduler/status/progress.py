"""What a task reported or returned, from Celery's result backend."""

from __future__ import annotations

from typing import Any

from celery import Celery
from celery.result import AsyncResult
from kombu.exceptions import OperationalError

from scheduler.model import Run
from scheduler.model.run import UNDER_WAY
from scheduler.storage.client import AWAY, REFUSED


def progress_of(app: Celery, run: Run) -> dict[str, Any] | None:
    """What an unfinished run reported with ``update_state``: current, total and message."""
    if run.outcome not in UNDER_WAY or not run.task_id:
        return None
    task = task_json(app, run.task_id)
    return {key: task[key] for key in ("current", "total", "message")} if task["state"] == "PROGRESS" else None


def task_json(app: Celery, task_id: str) -> dict[str, Any]:
    """A task's state and result from Celery's result backend."""
    try:
        meta = AsyncResult(task_id, app=app).backend.get_task_meta(task_id)
        state, result = str(meta["status"]), meta.get("result")
    except (*AWAY, *REFUSED, OperationalError):
        raise
    except Exception as error:  # what is stored is anybody's, and Celery's reader expects its own
        meta, state, result = {}, "UNREADABLE", f"the stored result cannot be read: {type(error).__name__}"
    progress = result if isinstance(result, dict) and state == "PROGRESS" else {}
    return {
        "id": task_id,
        "state": state,
        "current": number(progress.get("current")),
        "total": number(progress.get("total")),
        "message": str(progress.get("message", "")),
        "result": f"{type(result).__name__}: {result}" if isinstance(result, BaseException) else result,
        "traceback": meta.get("traceback"),
        "date_done": meta.get("date_done"),
    }


def number(reported: Any) -> float | None:
    """A number that a task reported; None for anything else, also for a boolean."""
    return reported if isinstance(reported, (int, float)) and not isinstance(reported, bool) else None
