"""Celery's result backends over Redis, which keep the result of a run for as long as its schedule says."""

from __future__ import annotations

import threading
from typing import Any

from celery import Celery
from celery.backends import redis

from scheduler.model import KEEP_RESULT
from scheduler.sending.headers import KEEP_RESULT_HEADER, header, run_of

KEEP_RESULT_S = round(KEEP_RESULT.total_seconds())


def keep_seconds(request: Any, app: Celery) -> int | None:
    """For how long the result of this request is kept; 0 for not at all, None for Celery's ``result_expires``."""
    if run_of(request) is None:
        return None
    seconds: int | None = header(request, KEEP_RESULT_HEADER)
    return getattr(app, "scheduler_keep_result", None) if seconds is None else seconds


class RedisBackend(redis.RedisBackend):
    """Celery's own, which knows one time for all results."""

    storing = threading.local()  #: ``seconds``: for how long the result is kept that this thread stores

    def _store_result(
        self, task_id: str, result: Any, state: str, traceback: Any = None, request: Any = None, **options: Any
    ) -> Any:
        seconds = keep_seconds(request, self.app)
        if seconds == 0:
            return result
        self.storing.seconds = seconds
        try:
            return super()._store_result(task_id, result, state, traceback=traceback, request=request, **options)
        finally:
            self.storing.seconds = None

    def set(self, key: str, value: Any, expires: int | None = None, **retry_policy: Any) -> Any:
        """Store a value; it expires like the result that is being stored, if that has a time of its own."""
        seconds = getattr(self.storing, "seconds", None)
        return super().set(key, value, seconds or expires, **retry_policy)


class SentinelBackend(RedisBackend, redis.SentinelBackend):
    """The same over Sentinels."""
