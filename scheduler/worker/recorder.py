"""Writes a worker's runs to the ledger: a run is claimed before its body starts, and closed with its outcome."""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import cached_property
from typing import Any

from celery import Task
from celery.app.task import Context
from celery.exceptions import SoftTimeLimitExceeded
from redis import ResponseError

from scheduler import faults
from scheduler.errors import NotFound
from scheduler.events import emit
from scheduler.model import Outcome, Run, read_run_id
from scheduler.registry import flask_target
from scheduler.sending.headers import run_of
from scheduler.settings import Settings
from scheduler.storage.aside import SHOWN_S, give_up
from scheduler.storage.client import AWAY, REFUSED, connect
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import MAX_ATTEMPTS, NO_DELIVERY, NO_EXPIRY, Delivery, Ledger, Result
from scheduler.worker.output import Capture
from scheduler.worker.requests import claimed_by, worker_name
from scheduler.worker.unacknowledged import places, remove

LEDGER_ATTEMPTS = 20  #: attempts of each command while Redis is away, with growing pauses up to 2 s
UNLIMITED_ATTEMPTS = -1  #: the same in a child of the pool, where nothing else waits
OTHER_KIND_TIMEOUT_S = 15.0  #: seconds for which a claim is tried where another program's key is in its way
PREVIOUS_ATTEMPT_TIMEOUT_S = 2.0  #: seconds that an attempt waits at most for the attempt before it to end


class NoFlaskApp(Exception):
    """The Flask application of SCHEDULER_FLASK_APP cannot be made, so no body can run inside it."""


class GivenUp(Exception):
    """A plain call is not run again, because its worker process died each time."""


class Recorder:
    """Writes what this worker does with runs; made before the pool forks, connected after."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.attempts = LEDGER_ATTEMPTS
        self.capture = Capture(settings)
        self._lock = threading.Lock()
        self._flask_app: Any = None

    @cached_property
    def ledger(self) -> Ledger:
        """Connects at the first use, which is in the pool's child."""
        return Ledger(connect(self.settings, attempts=self.attempts), Keys(self.settings.key_prefix), self.settings)

    @property
    def context(self) -> AbstractContextManager[Any]:
        """The context of the Flask application that SCHEDULER_FLASK_APP names, so ``current_app`` works; or nothing."""
        if not self.settings.flask_app:
            return nullcontext()
        with self._lock:
            if self._flask_app is None:
                self._flask_app = self.make_flask_app()
        return self._flask_app.app_context()  # type: ignore[no-any-return]

    def make_flask_app(self) -> Any:
        """The Flask application: the object itself, or what the factory returns; raises NoFlaskApp."""
        name = self.settings.flask_app
        try:
            target = flask_target(name)
            made = target if hasattr(target, "app_context") else target()
            with made.app_context():
                pass
        except (Exception, SystemExit) as error:
            line = " ".join(f"{type(error).__name__}: {error}".split())
            problem = f"SCHEDULER_FLASK_APP={name} makes no application, so runs fail: {line} — fix it"
            self.tell_of_flask(problem)
            raise NoFlaskApp(problem) from None
        self.tell_of_flask("")
        return made

    def tell_of_flask(self, problem: str) -> None:
        """Show a problem with the factory, and log it once; or take it back."""
        key, is_new = Keys(self.settings.key_prefix).notice("flask"), True
        with suppress(*AWAY, *REFUSED), connect(self.settings) as client:
            is_new = client.set(key, problem, ex=SHOWN_S, get=True) is None if problem else client.delete(key)
        if problem and is_new:
            emit("flask.failed", problem=problem)

    def claim(self, task: Task, run_id: str) -> bool:
        """Take the run; False when it ran, runs or was dropped already."""
        request = task.request
        schedule, due = read_run_id(run_id)
        run = Run(run_id, schedule, due, "running", task=task.name, task_id=request.id)
        request.claim_token = os.urandom(16).hex()
        faults.reach("recorder.before_claim")
        again = bool((request.delivery_info or {}).get("redelivered"))
        worker = worker_name(request.hostname, os.getpid())
        outcome = self.taken(run, worker, request.claim_token, again)
        deadline = time.monotonic() + PREVIOUS_ATTEMPT_TIMEOUT_S
        # A body that calls `retry` publishes the next attempt before the one that it is in has ended.
        while outcome == "running" and request.retries and time.monotonic() < deadline:
            time.sleep(0.02)
            outcome = self.ledger.claim(run, worker, request.claim_token, redelivered=again)
        faults.reach("recorder.after_claim")
        if outcome != "claimed":
            emit("run.duplicate", run=run_id, outcome=outcome)
            self.forget_delivery(request)
        return outcome == "claimed"

    def taken(self, run: Run, worker: str, token: str, again: bool) -> str:
        """What the ledger says of the claim; waits for beat to set aside another program's key."""
        deadline = time.monotonic() + OTHER_KIND_TIMEOUT_S
        while True:
            try:
                return self.ledger.claim(run, worker, token, redelivered=again)
            except ResponseError as error:
                if "WRONGTYPE" not in str(error) or time.monotonic() > deadline:
                    raise
            time.sleep(0.2)

    def count_delivery(self, task: Task) -> None:
        """Count a plain call that is delivered again; raises GivenUp when its worker process died too often."""
        request, keys = task.request, self.ledger.keys
        if not (request.delivery_info or {}).get("redelivered"):
            return
        key = keys.deliveries(request.id)
        with self.ledger.client.pipeline() as pipe:
            times, _ = pipe.incr(key).expire(key, NO_EXPIRY).execute()
        if times >= MAX_ATTEMPTS:
            give_up(self.ledger.client, keys, task=task.name, task_id=request.id, deliveries=times)
            emit("task.given_up", task=task.name, id=request.id, deliveries=times)
            raise GivenUp(f"given up: its worker process died {times} times")

    def forget_deliveries(self, task_id: str) -> None:
        """Count no delivery of a plain call whose body asked for the next one."""
        self.ledger.client.delete(self.ledger.keys.deliveries(task_id))

    def declared_references(self, run_id: str) -> str:
        """The digest that beat wrote of the references in this run's arguments; empty if the file declared none."""
        try:
            return self.ledger.get(run_id).references
        except NotFound:
            return ""

    def close(self, request: Context | None, outcome: Outcome, **details: Any) -> None:
        """Write how the run of this request ended; nothing for a task that no schedule sent."""
        run_id = run_of(request)
        if run_id is None or getattr(request, "scheduler_is_closed", False):
            return
        try:
            self.write_end(request, run_id, outcome, **details)
        except AWAY as error:
            emit("ledger.away", run=run_id, outcome=outcome, error=error)

    def close_with(self, request: Context, stored: Result, returned: Any) -> None:
        """Write that the run of this request succeeded, and its result for Celery, in one step; raises one of AWAY."""
        self.write_end(request, str(run_of(request)), "succeeded", stored=stored, result=shown(returned))
        request.scheduler_is_closed = True

    def write_end(self, request: Context | None, run_id: str, outcome: Outcome, **details: Any) -> None:
        details["token"] = claimed_by(request)
        if outcome != "lost":  # the message of a lost run returns to its queue
            details["delivery"] = self.delivery_of(request)
        faults.reach("recorder.before_close")
        try:
            self.ledger.close(run_id, outcome, **details)
        except SoftTimeLimitExceeded:  # the limit of a body that has just ended
            self.ledger.close(run_id, outcome, **details)
        faults.reach("recorder.after_close")

    def forget_delivery(self, request: Context) -> None:
        """Acknowledge the message of a second delivery; if Redis refuses, the worker does it later.

        An error here would end the run, which may be running in another worker.
        """
        if (delivery := self.delivery_of(request)) != NO_DELIVERY:
            with suppress(*AWAY, *REFUSED), self.ledger.client.pipeline(transaction=False) as pipe:
                remove(pipe, [delivery.tag])
                pipe.execute()

    def delivery_of(self, request: Context | None) -> Delivery:
        """The message of this request, where its end can be written in the step that closes its run."""
        tag = (getattr(request, "properties", None) or {}).get("delivery_tag")
        return NO_DELIVERY if self.settings.has_outbox or not tag else Delivery(tag, places())


def shown(result: Any) -> str:
    """A result as JSON, the way Celery keeps it, or as text where it is not JSON."""
    try:
        return json.dumps(result)
    except (TypeError, ValueError):
        return repr(result)
