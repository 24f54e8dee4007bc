"""Examples: a task that succeeds, one that fails, one that takes time."""

from __future__ import annotations

import time

from celery import Task, shared_task
from celery.utils.log import get_task_logger

from scheduler.tasks.errors import TaskFailed

log = get_task_logger(__name__)


@shared_task(name="scheduler.tasks.log_it")
def log_it(a: float, b: float) -> float:
    """Log the sum of two numbers and return it."""
    log.info("%s + %s = %s", a, b, a + b)
    return a + b


@shared_task(name="scheduler.tasks.fail")
def fail(message: str = "This task fails on purpose") -> None:
    """Fail with this message, to see what a failure looks like."""
    raise TaskFailed(message)


@shared_task(name="scheduler.tasks.count_to", bind=True)
def count_to(self: Task, total: int = 10, seconds: float = 10.0) -> dict[str, int]:
    """Count to ``total`` within ``seconds``, reporting progress after each step."""
    if not 1 <= total <= 10_000 or not 0 <= seconds <= 86_400:
        raise TaskFailed("total must be 1 to 10000, and seconds 0 to 86400")
    for current in range(1, total + 1):
        time.sleep(seconds / total)
        message = f"Counted {current} of {total}"
        self.update_state(state="PROGRESS", meta={"current": current, "total": total, "message": message})
    return {"counted": total}
