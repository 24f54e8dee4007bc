"""What a worker does around the body of a task, when a schedule sent it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from celery import Task
from celery.exceptions import Ignore, Reject, Retry
from celery.states import STARTED

from scheduler import faults, references
from scheduler.model.retry import Retrying
from scheduler.references import CannotFill, Filled
from scheduler.sending.headers import (
    MAX_MEMORY_HEADER,
    REFERENCES_HEADER,
    RETRIES_HEADER,
    RETRYING_HEADER,
    header,
    run_of,
)
from scheduler.worker import endings
from scheduler.worker.check_ins import open_check_in
from scheduler.worker.current import Words, current_run
from scheduler.worker.limits import CannotKeepLimit, as_limit, kill_after, limited, refuse_unkept
from scheduler.worker.recorder import GivenUp, NoFlaskApp, Recorder

REPORTING_S = 5.0  #: seconds between the end of a program and that of the process that runs it


class OutOfMemory(Exception):
    """A task's MemoryError. By that one Celery would end the worker, with all that it runs."""


class RecordedTask(Task):
    """Goes before a task's own class, so that its ``__call__`` surrounds that of the class, or ``run``.

    A task claims its run, runs inside Flask's context, and is retried as often as its schedule says.
    """

    scheduler_recorder: Recorder
    scheduler_tells_start: bool  #: whether ``track_started`` was on
    scheduler_has_call: bool  #: whether the task's own class defines ``__call__``

    @classmethod
    def record(cls, task: Task, recorder: Recorder) -> None:
        """Make this task a recorded one, in place: Celery and the application keep their references to it."""
        base = type(task)
        fields = {
            "__module__": base.__module__,
            "scheduler_recorder": recorder,
            "scheduler_tells_start": task.track_started,
            "Request": limited(task.Request),
            "scheduler_has_call": base.__call__ is not Task.__call__,
        }
        # Celery would write STARTED before the claim, over the result of a run whose second delivery this is.
        task.track_started = False
        task.throws = (
            *(task.throws or ()),
            CannotFill,
            CannotKeepLimit,
            GivenUp,
            NoFlaskApp,
        )  # no traceback in the log
        task.__class__ = type(base.__name__, (cls, base), fields)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        request, run_id = self.request, run_of(self.request)
        if not request.called_directly:
            if getattr(request, "scheduler_has_started", False):  # the body calls its own task, as a function
                return super().__call__(*args, **kwargs)
            request.scheduler_has_started = True
            self.take_delivery(run_id)
        if self.scheduler_tells_start:
            tell_started(self)
        filled = Filled(Words())
        try:
            with self.scheduler_recorder.context:
                if run_id is not None:
                    refuse_unkept(request)
                    open_check_in(request, run_id, self.scheduler_recorder.ledger)
                if run_id is not None and header(request, REFERENCES_HEADER):
                    refuse_undeclared(self, run_id, args, kwargs)
                    args, kwargs = filled.fill([*args]), filled.fill(kwargs)
                with self.scheduler_recorder.capture.of(request, run_id, filled):
                    # Task's own __call__ would push an empty request in front of this one.
                    result = super().__call__(*args, **kwargs) if self.scheduler_has_call else self.run(*args, **kwargs)
        except BaseException as error:
            ended = as_limit(error) or (error if request.called_directly else endings.as_failure(error, run_id))
            if not isinstance(ended, Exception):
                raise
            self.end_early(run_id, ended)
            raise_for_celery(self, run_id, ended, filled)
            if ended is not error:
                raise ended from None
            raise
        faults.reach("recorder.after_body")
        request.scheduler_has_returned = run_id is not None and not request.called_directly
        return filled.hide(result) if filled.values else result

    def take_delivery(self, run_id: str | None) -> None:
        """Raise Ignore for another delivery of a run, GivenUp for a plain call that killed its process too often."""
        if run_id is None:
            self.scheduler_recorder.count_delivery(self)
        elif not self.scheduler_recorder.claim(self, run_id):
            raise Ignore

    def scheduler_environment(self) -> dict[str, str]:
        """What a program of this run may know of it, as environment variables; nothing in a plain call."""
        run = current_run()
        return run.environment() if run is not None else {}

    def scheduler_kill_after(self) -> float | None:
        """Seconds that a program of this run has between SIGTERM and SIGKILL; None in a plain call."""
        # The rest of the time is for the end of the run: its process is killed then, too.
        seconds = kill_after(self.request, self)
        return max(seconds - REPORTING_S, seconds / 2) if run_of(self.request) is not None else None

    def scheduler_max_memory(self) -> int | None:
        """Bytes that a program of this run may use; None for no limit."""
        given = header(self.request, MAX_MEMORY_HEADER) if run_of(self.request) is not None else None
        return None if given is None else int(given)

    def scheduler_output(self) -> Callable[[bytes], object] | None:
        """What takes the output of a program of this run; None in a plain call."""
        recording = getattr(self.request, "scheduler_recording", None)
        return None if recording is None else recording.write

    def end_early(self, run_id: str | None, ended: Exception) -> None:
        """Close the run of a body that ended in a way for which Celery sends no signal."""
        recorder = self.scheduler_recorder
        if isinstance(ended, Ignore) and run_id is not None:
            recorder.close(self.request, "succeeded", result=endings.result_of(ended, self.request))
        elif isinstance(ended, Reject) and ended.requeue:
            recorder.forget_deliveries(self.request.id)

    def on_replace(self, sig: Any) -> Any:
        """Celery's hook of ``self.replace``: note the replacement, which is a plain call and no part of the run."""
        self.request.replaced_by = str(sig.get("task"))
        return super().on_replace(sig)

    def signature_from_request(self, request: Any = None, *arguments: Any, **options: Any) -> Any:
        """Celery's message for a retry. The expiry is that of the first message: a next attempt does not inherit it."""
        if run_of(request or self.request) is not None:
            options.setdefault("expires", None)
        return super().signature_from_request(request, *arguments, **options)


def refuse_undeclared(task: Task, run_id: str, args: object, kwargs: object) -> None:
    """Raise CannotFill for references that the schedule file did not declare: anyone may write the header."""
    present = references.digest(task.name, args, kwargs)
    if present and present != task.scheduler_recorder.declared_references(run_id):
        raise CannotFill("the schedule file did not declare the references in the arguments of this run")


def tell_started(task: Task) -> None:
    """Store the state STARTED, as Celery does for a task whose result is kept."""
    request = task.request
    if not (request.called_directly or task.ignore_result or request.ignore_result):
        task.update_state(state=STARTED, meta={"pid": os.getpid(), "hostname": request.hostname})


def raise_for_celery(task: Task, run_id: str | None, error: Exception, filled: Filled) -> None:
    """Raise what Celery is to see instead of an error of the body: a retry, or the error without secrets."""
    if isinstance(error, Retry) and filled.values:
        error.exc = filled.hide_error(error.exc) if isinstance(error.exc, Exception) else error.exc
        error.excs, error.message, error.args = (filled.hide(it) for it in (error.excs, error.message, error.args))
    hidden = filled.hide_error(error)
    if isinstance(hidden, MemoryError):
        hidden = OutOfMemory(f"MemoryError: {hidden}").with_traceback(error.__traceback__)
    raise_retry(task, run_id, hidden, error)
    if hidden is not error:
        raise hidden from None


def raise_retry(task: Task, run_id: str | None, error: Exception, cause: Exception) -> None:
    """Raise Celery's Retry while the schedule's ``retries`` are not used up; ``error`` is the cause without secrets."""
    retries = int(getattr(task.request, RETRIES_HEADER, 0) or 0)
    is_expected = isinstance(error, tuple(task.throws or ())) and not isinstance(error, NoFlaskApp)
    if run_id is None or task.request.retries >= retries or is_expected:
        return
    if type(error).__module__ == "celery.exceptions":  # Ignore, Reject and Retry are no failures
        return
    retrying = Retrying(*(header(task.request, RETRYING_HEADER) or ()))
    if not retrying.is_for(cause):
        return
    pause = retrying.pause(task.request.retries + 1)
    raise task.retry(exc=error, countdown=pause, max_retries=retries)
