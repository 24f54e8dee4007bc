"""Stops the runs of this worker that a person asked to stop: the body is asked first, then its process is killed."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import Any, NamedTuple

from scheduler.events import emit
from scheduler.model import Reason
from scheduler.sending.headers import run_of
from scheduler.settings import Settings
from scheduler.storage.client import connect
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.worker.limits import LimitedRequest, kill_after
from scheduler.worker.native_thread import keep_looking
from scheduler.worker.requests import active_requests, claimed_by, context_of

LOOK_INTERVAL_S = 1.0
ASK = signal.SIGUSR1  #: billiard raises SoftTimeLimitExceeded in a process of the pool that gets it


class Asked(NamedTuple):
    """A run that was asked to stop, or killed."""

    at: float  #: the last time, of the monotonic clock
    claimed_by: str


class Stopper:
    """Looks once a second, while runs are under way, in a thread, until the process ends."""

    def __init__(self, settings: Settings) -> None:
        # A client of its own: the pool may fork again while this thread uses it.
        self.ledger = Ledger(connect(settings), Keys(settings.key_prefix), settings)
        self.asked: dict[str, Asked] = {}

    def start(self) -> None:
        keep_looking(self.look, LOOK_INTERVAL_S)

    def look(self) -> None:
        """Stop what is to be stopped; raises the errors of an absent Redis."""
        under_way = {run_id: it for it in active_requests() if (run_id := run_of(context_of(it))) is not None}
        for run_id in [*self.asked.keys() - under_way.keys()]:
            # Celery returns the message of a killed process, and says nothing of its run; any other has ended already,
            # and may run again elsewhere.
            self.ledger.close(run_id, "lost", token=self.asked[run_id].claimed_by, reason=Reason.LOST)
            del self.asked[run_id]
        for run_id, why in self.ledger.stops([*under_way]).items():
            self.stop(run_id, under_way[run_id], why)

    def stop(self, run_id: str, request: Any, why: str) -> None:
        """Ask the body, or kill its process when the grace is over."""
        context = context_of(request)
        asked, now = self.asked.get(run_id), Asked(time.monotonic(), claimed_by(context))
        if not LimitedRequest.asks_first:
            if asked is None:
                emit("run.unstoppable", run=run_id, pool=LimitedRequest.pool)
                self.asked[run_id] = now
        elif request.worker_pid and (asked is None or now.at - asked.at >= kill_after(context, request.task)):
            emit("run.stopping", run=run_id, why=why)
            with suppress(ProcessLookupError):
                os.kill(request.worker_pid, ASK if asked is None else signal.SIGKILL)
            self.asked[run_id] = now
