"""Celery's worker signals, each turned into one line of the ledger."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import datetime
from typing import Any

from celery import Celery, Task, signals
from celery.app.task import Context
from celery.exceptions import WorkerLostError
from celery.worker import state

from scheduler.errors import NotFound
from scheduler.model import Reason
from scheduler.process.ending import must_succeed
from scheduler.references import CannotFill, Hidden
from scheduler.sending.headers import run_of
from scheduler.settings import Settings
from scheduler.storage.instants import from_seconds
from scheduler.storage.ledger import UNTAKEN, Ledger
from scheduler.tasks import TaskFailed
from scheduler.tasks.errors import OverMemory
from scheduler.timing import get_zone
from scheduler.worker import streams
from scheduler.worker.current import timing_of
from scheduler.worker.leases import LeaseRenewer
from scheduler.worker.limits import TIME_LIMITS, LimitedRequest, sentence
from scheduler.worker.memory import MemoryWatch
from scheduler.worker.presence import Presence
from scheduler.worker.recorder import UNLIMITED_ATTEMPTS, NoFlaskApp, Recorder, shown
from scheduler.worker.requests import claimed_by, context_of
from scheduler.worker.stops import Stopper


def connect_recorder(app: Celery, settings: Settings) -> None:
    """Record the runs of this application's workers; nothing is opened before a task runs."""
    app.scheduler_recorder = Recorder(settings)
    Signals(app.scheduler_recorder).connect()


class Signals:
    """Celery's worker signals, each turned into one line of the ledger."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    def connect(self) -> None:
        """Connect each of Celery's signals to its method."""
        handlers = {
            signals.worker_process_init: self.enter_child,
            signals.worker_ready: must_succeed(self.keep_leases),
            signals.task_success: self.succeeded,
            signals.task_failure: self.failed,
            signals.task_retry: self.retried,
            signals.task_revoked: self.revoked,
        }
        for signal, handler in handlers.items():
            signal.connect(handler, weak=False)

    def enter_child(self, **_: Any) -> None:
        """After the fork, so that no database connection is shared between children."""
        self.recorder.attempts = UNLIMITED_ATTEMPTS
        streams.one_body_at_a_time()
        with suppress(NoFlaskApp), self.recorder.context:
            pass

    def keep_leases(self, sender: Any, **_: Any) -> None:
        """In the worker's main process, which is free while a task keeps its child busy."""
        settings = self.recorder.settings
        LeaseRenewer(settings, Presence(settings, sender)).start()
        Stopper(settings).start()
        if LimitedRequest.asks_first:
            MemoryWatch(settings).start()

    def succeeded(self, sender: Task, result: Any, **_: Any) -> None:
        """In the child, after the body returned."""
        self.recorder.close(sender.request, "succeeded", result=shown(result))

    def failed(self, sender: Task, task_id: str, exception: BaseException, einfo: Any, **_: Any) -> None:
        """In the child for an error of the body; in the main process when the child was lost or hit its time limit."""
        request = sender.request if run_of(sender.request) else context_of(state.requests.get(task_id))
        error = sentence(exception, request)
        if isinstance(exception, (CannotFill, NoFlaskApp)):
            self.recorder.close(request, "failed", reason=Reason.ERROR, result=str(exception))
        elif isinstance(exception, WorkerLostError):
            self.recorder.close(request, "lost", reason=Reason.LOST, detail=error)
        else:
            is_ours = isinstance(exception, TaskFailed)  # its sentence and output say all; its traceback is our code
            trace = "" if is_ours else getattr(einfo, "traceback", "")
            message = str(exception) if isinstance(exception, Hidden) else error
            reason = Reason.TIME_LIMIT if isinstance(exception, TIME_LIMITS) else Reason.ERROR
            reason = Reason.MEMORY_LIMIT if isinstance(exception, OverMemory) else reason
            code = exception.exit_code if isinstance(exception, TaskFailed) else None
            more = {"exit_code": code} if code else {}
            self.recorder.close(request, "failed", reason=reason, result=message, traceback=trace, **more)

    def retried(self, request: Context, reason: Any, **_: Any) -> None:
        """The run is queued again; it is given up if no worker starts the next attempt until ``until``."""
        when = next_attempt(reason)
        until = when + UNTAKEN.total_seconds()
        detail = waiting(self.recorder.ledger, str(run_of(request)), when) if run_of(request) else ""
        self.recorder.close(
            request,
            "queued",
            when=when,
            until=until,
            reason=Reason.RETRYING,
            detail=detail,
            result=f"tried again after: {reason}",
            error=retried_after(reason, request),
        )

    def revoked(self, request: Any, expired: bool, **_: Any) -> None:
        """In the main process: the message expired, or a person revoked its task."""
        request = context_of(request)
        if expired:
            self.recorder.close(request, "skipped", reason=Reason.EXPIRED, unclaimed=True)
        else:
            # If no body has begun here, this may be a second delivery: the run may belong to another worker.
            self.recorder.close(request, "failed", reason=Reason.REVOKED, unclaimed=not claimed_by(request))


def retried_after(retry: Any, request: Context) -> str:
    """Why a body is tried again; empty where it asked for that without an error."""
    error = getattr(retry, "exc", None)
    return sentence(error, request) if isinstance(error, BaseException) else str(getattr(retry, "message", None) or "")


def next_attempt(retry: Any) -> float:
    """When Celery's Retry says that the task is tried again, in epoch seconds."""
    when = getattr(retry, "when", None)
    if isinstance(when, datetime):
        return when.timestamp()
    return time.time() + float(when or 0)


def waiting(ledger: Ledger, run_id: str, when: float) -> str:
    """How long the run waits for which attempt, in the time zone of its schedule; empty if the ledger lost the run."""
    try:
        run = ledger.get(run_id)
    except NotFound:
        return ""
    timing = timing_of(ledger, run.schedule)
    zone = timing.zone if timing else "UTC"
    until = from_seconds(when).astimezone(get_zone(zone))
    return f"waits for its {ordinal(run.attempt + 1)} attempt until {until:%Y-%m-%d %H:%M:%S} {zone}"


def ordinal(number: int) -> str:
    """``2nd`` for 2."""
    last = 0 if 10 <= number % 100 <= 20 else number % 10
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(last, 'th') }"
