"""Celery's result backends over Redis, which keep the result of a run for as long as its schedule says.

The result of a run that succeeded is stored in the step that closes the run, where both are in one Redis.
"""

from __future__ import annotations

import threading
from functools import cached_property
from typing import Any

from celery import Celery
from celery.backends import redis
from celery.states import PENDING, SUCCESS

from scheduler.model import KEEP_RESULT
from scheduler.sending.headers import KEEP_RESULT_HEADER, header, run_of
from scheduler.storage.ledger import Result

KEEP_RESULT_S = round(KEEP_RESULT.total_seconds())


def keep_seconds(request: Any, app: Celery) -> int | None:
    """For how long the result of this request is kept; 0 for not at all, None for Celery's ``result_expires``."""
    if run_of(request) is None:
        return None
    seconds: int | None = header(request, KEEP_RESULT_HEADER)
    return getattr(app, "scheduler_keep_result", None) if seconds is None else seconds


class Storing(threading.local):
    """The result that this thread stores."""

    seconds: int | None = None  #: for how long it is kept
    run: Any = None  #: the request of the run that ends with it and is to be closed
    returned: Any = None  #: what the body of that run returned


class RedisBackend(redis.RedisBackend):
    """Celery's own, which knows one time for all results."""

    storing = Storing()

    def store_result(
        self, task_id: str, result: Any, state: str, traceback: Any = None, request: Any = None, **options: Any
    ) -> Any:
        """Store a result; with what the body of a run returned, the end of that run."""
        # A body may store a success itself, for its own task or for another, and go on.
        if state == SUCCESS and self.is_ledgers and getattr(request, "scheduler_has_returned", False):
            self.storing.run, self.storing.returned = request, result
        try:
            return super().store_result(task_id, result, state, traceback=traceback, request=request, **options)
        finally:
            self.storing.run = self.storing.returned = None

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

    def _get_task_meta_for(self, task_id: str) -> Any:
        if self.storing.run is None:
            return super()._get_task_meta_for(task_id)
        return {"status": PENDING, "result": None}  # the script that closes the run looks whether there is a success

    def set(self, key: str, value: Any, expires: int | None = None, **retry_policy: Any) -> Any:
        """Store a value; it expires like the result that is being stored, if that has a time of its own."""
        return super().set(key, value, self.storing.seconds or expires, **retry_policy)

    def _set(self, key: str, value: Any, expires: int | None = None) -> None:
        if self.storing.run is None:
            super()._set(key, value, expires)
        else:
            seconds = self.expires if expires is None else expires
            stored = Result(key, value, seconds or 0)
            self.app.scheduler_recorder.close_with(self.storing.run, stored, self.storing.returned)

    @cached_property
    def is_ledgers(self) -> bool:
        """Whether results are in the Redis of the ledger, as text."""
        place = self.app.scheduler_settings.place
        kept, options = self.app.conf.result_backend, self.app.conf.result_backend_transport_options
        is_there = (kept, options.get("master_name", "")) == (place.celery()["result_backend"], place.service)
        return is_there and not self.compression


class SentinelBackend(RedisBackend, redis.SentinelBackend):
    """The same over Sentinels."""
