"""Keeps `max_memory` of Python bodies in the children of prefork; of a program, the built-in task that runs it does."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import Any

from scheduler.events import emit
from scheduler.model import Reason
from scheduler.model.what_runs import COMMAND_TASK
from scheduler.sending.headers import MAX_MEMORY_HEADER, header, run_of
from scheduler.settings import Settings
from scheduler.storage.client import connect
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.tasks.memory import of_family, resident, shown
from scheduler.worker.native_thread import keep_looking
from scheduler.worker.requests import active_requests, claimed_by, context_of

LOOK_INTERVAL_S = 0.5


class MemoryWatch:
    """Looks at the children that run a body with a limit, in a thread, until the process ends."""

    def __init__(self, settings: Settings) -> None:
        # A client of its own: the pool may fork again while this thread uses it.
        self.ledger = Ledger(connect(settings), Keys(settings.key_prefix), settings)

    def start(self) -> None:
        keep_looking(self.look_at_all, LOOK_INTERVAL_S)

    def look_at_all(self) -> None:
        """Look at every request that is under way."""
        for request in active_requests():
            self.look(request)

    def look(self, request: Any) -> None:
        """End the run of this request if its body uses too much; raises the errors of an absent Redis.

        What its process had before counts for nothing: that is the program, and what earlier runs left behind.
        """
        most, pid = limit_of(request), request.worker_pid
        run_id = run_of(context_of(request))
        if most is None or not pid or run_id is None:
            return
        used = resident(pid) - getattr(request, "memory_before", 0) + of_family(pid)
        if used <= most:
            return
        said = f"it used {shown(used)}, more than its max_memory of {shown(most)}"
        # First the row: Celery returns the message of a killed process, and says nothing of its run.
        if (
            self.ledger.close(
                run_id, "failed", token=claimed_by(context_of(request)), reason=Reason.MEMORY_LIMIT, result=said
            )
            and request in active_requests()
        ):
            emit("run.over_memory", run=run_id, problem=said)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def limit_of(request: Any) -> int | None:
    """Bytes that the body of this request may use; None for no limit, and for a program, which has its own watch."""
    given = header(context_of(request), MAX_MEMORY_HEADER)
    return None if given is None or request.name == COMMAND_TASK else int(given)
