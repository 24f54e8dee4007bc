"""From the worker's signals to the ledger: a run is claimed before its body starts, and closed with its outcome.

Every task also runs inside the Flask application that SCHEDULER_FLASK_APP names, so ``current_app`` works in it.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any

from celery import Task
from celery.app.task import Context
from celery.exceptions import Ignore, Retry
from celery.states import STARTED

from scheduler import faults
from scheduler.events import emit
from scheduler.model import Outcome, Run, read_run_id
from scheduler.references import CannotFill, Filled
from scheduler.registry import import_target
from scheduler.sending.headers import REFERENCES_HEADER, RETRIES_HEADER, header, run_of
from scheduler.settings import Settings
from scheduler.storage.client import AWAY, connect
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger

LONGEST_PAUSE = 600  #: seconds between two attempts at most
PATIENT = 20  #: attempts of the ledger while Redis is away, with growing pauses up to 2 s
OVERTAKEN = 2.0  #: seconds that a further attempt waits at most for the one before to end
FOR_EVER = -1  #: the same where nothing else waits


class OutOfMemory(Exception):
    """A task's MemoryError. By that one Celery would end the worker, with all that it runs."""


class Recorder:
    """Writes what this worker does with runs; made before the pool forks, connected after."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.attempts = PATIENT
        self._lock = threading.Lock()
        self._flask_app: Any = None

    @cached_property
    def ledger(self) -> Ledger:
        """Connects at the first use, which is in the pool's child."""
        return Ledger(connect(self.settings, attempts=self.attempts), Keys(self.settings.key_prefix), self.settings)

    @property
    def context(self) -> AbstractContextManager[Any]:
        """The Flask application's context, or nothing."""
        if not self.settings.flask_app:
            return nullcontext()
        with self._lock:
            if self._flask_app is None:
                self._flask_app = make_flask_app(self.settings)
        return self._flask_app.app_context()  # type: ignore[no-any-return]

    def claim(self, task: Task, run_id: str) -> bool:
        """Take the run; False when it ran, runs or was dropped already."""
        request = task.request
        schedule, due = read_run_id(run_id)
        run = Run(run_id, schedule, due, "running", task=task.name, task_id=request.id)
        request.claim_token = uuid.uuid4().hex
        faults.reach("recorder.before_claim")
        again = bool((request.delivery_info or {}).get("redelivered"))
        worker = f"{request.hostname}:{os.getpid()}"
        outcome = self.ledger.claim(run, worker, request.claim_token, redelivered=again)
        overtaken = time.monotonic() + OVERTAKEN
        # A body that calls `retry` publishes the next attempt before the one that it is in has ended.
        while outcome == "running" and request.retries and time.monotonic() < overtaken:
            time.sleep(0.02)
            outcome = self.ledger.claim(run, worker, request.claim_token, redelivered=again)
        faults.reach("recorder.after_claim")
        if outcome != "claimed":
            emit("run.duplicate", run=run_id, outcome=outcome)
        return outcome == "claimed"

    def close(self, request: Context | None, outcome: Outcome, **details: Any) -> None:
        """Write how the run of this request ended; nothing for a task that no schedule sent."""
        run_id = run_of(request)
        if run_id is None:
            return
        try:
            token = getattr(request, "claim_token", None) or ""
            faults.reach("recorder.before_close")
            self.ledger.close(run_id, outcome, token=token, **details)
            faults.reach("recorder.after_close")
        except AWAY as error:
            emit("ledger.away", run=run_id, outcome=outcome, error=error)


def make_flask_app(settings: Settings) -> Any:
    """The Flask application: the object itself, or what the factory returns."""
    target = import_target(settings.flask_app, "SCHEDULER_FLASK_APP")
    return target if hasattr(target, "app_context") else target()


def recorded(task: Task, recorder: Recorder) -> None:
    """Make a task claim its run, run inside Flask's context, and try again as often as its schedule says."""
    base = type(task)
    own_call = base.__call__ is not Task.__call__
    # Celery would write STARTED over the result of a run that ended, before it is known that this is a second delivery.
    tracked, task.track_started = task.track_started, False
    task.throws = (*(task.throws or ()), CannotFill)  # no traceback in the log

    def call(self: Task, *args: Any, **kwargs: Any) -> Any:
        request, run_id = self.request, run_of(self.request)
        if run_id is not None and not request.called_directly and not recorder.claim(self, run_id):
            raise Ignore
        if tracked and not (request.called_directly or self.ignore_result or request.ignore_result):
            self.update_state(state=STARTED, meta={"pid": os.getpid(), "hostname": request.hostname})
        filled = Filled()
        with recorder.context:
            try:
                if run_id is not None and header(request, REFERENCES_HEADER):
                    args, kwargs = filled.fill([*args]), filled.fill(kwargs)
                result = base.__call__(self, *args, **kwargs) if own_call else self.run(*args, **kwargs)
            except Exception as error:
                tell(self, run_id, error, filled)
                raise
        faults.reach("recorder.after_body")
        return filled.hide(result) if filled.values else result

    task.__class__ = type(base.__name__, (base,), {"__call__": call, "__module__": base.__module__, "recorded": True})


def tell(task: Task, run_id: str | None, error: Exception, filled: Filled) -> None:
    """Raise what Celery is to know of an error of the body, if that is something else than the error itself."""
    if isinstance(error, Retry) and filled.values:
        error.exc = filled.hide_error(error.exc) if isinstance(error.exc, Exception) else error.exc
        error.excs, error.message, error.args = (filled.hide(it) for it in (error.excs, error.message, error.args))
    hidden = filled.hide_error(error)
    if isinstance(hidden, MemoryError):
        hidden = OutOfMemory(f"MemoryError: {hidden}").with_traceback(error.__traceback__)
    try_again(task, run_id, hidden)
    if hidden is not error:
        raise hidden from None


def try_again(task: Task, run_id: str | None, error: Exception) -> None:
    """Raise Celery's Retry while the schedule's ``retries`` are not used up."""
    retries = int(getattr(task.request, RETRIES_HEADER, 0) or 0)
    if run_id is None or task.request.retries >= retries or isinstance(error, tuple(task.throws or ())):
        return
    if type(error).__module__ == "celery.exceptions":
        return
    pause = min(2**task.request.retries, LONGEST_PAUSE)
    raise task.retry(exc=error, countdown=pause, max_retries=retries)
