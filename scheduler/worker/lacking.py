"""Runs whose task this worker lacks: their messages return to the queue after a pause, for a worker that has it."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from datetime import datetime
from typing import Any

from scheduler.events import emit
from scheduler.model import Reason
from scheduler.process.modules import TaskModules
from scheduler.sending.headers import run_in
from scheduler.settings import Settings
from scheduler.storage.client import AWAY, REFUSED, connect
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import NO_EXPIRY, Ledger
from scheduler.storage.workers import last_good_imports
from scheduler.worker.prepare import prepare

logger = logging.getLogger("scheduler")

PAUSE_S = 2.0  #: seconds for which a message is held before it returns to its queue
MAX_HELD = 1000  #: messages held beside those that the worker may take; with more, it takes no others for the pause
REMEDY = "name its module under imports: in the schedule file or in SCHEDULER_IMPORTS, or restart the worker"
LEARN_INTERVAL_S = 1.0  #: seconds between two looks for modules to import
NOTICE_S = 15  #: seconds for which `status` and the unit's status show it after the last such message


class Lacking:
    """What a consumer does with the runs whose tasks it does not have."""

    def __init__(self, consumer: Any) -> None:
        self.consumer = consumer
        self.settings: Settings = consumer.app.scheduler_settings
        self.modules: TaskModules = consumer.app.scheduler_modules
        self.ledger = Ledger(connect(self.settings), Keys(self.settings.key_prefix), self.settings)
        self.passing = (*consumer.connection_errors, *AWAY, *REFUSED)
        self.lacks: dict[str, float] = {}  #: the tasks that were logged, with when (monotonic) a run of it came last
        self.held = 0

    @property
    def sentence(self) -> str:
        """What the unit's status says of it; empty if nothing is lacking."""
        parts = [f"lacks {', '.join(sorted(self.lacks))}, whose runs wait"] if self.lacks else []
        return " · ".join(["", *parts, *sorted(self.modules.failed.values())])

    def hold(self, message: Any, task: str) -> bool:
        """Hold the message of a run for a while; False for any other message."""
        run_id = run_in(message.headers or {})
        if not run_id:
            return False
        try:
            if is_expired(message):
                self.ledger.close(run_id, "skipped", reason=Reason.EXPIRED, unclaimed=True)
                message.ack_log_error(logger, self.passing)
                return True
            self.note(run_id)
            self.learn_at_once()
            if task not in self.consumer.app.tasks:
                self.ledger.client.set(self.ledger.keys.notice("tasks"), self.problem(task), ex=NOTICE_S)
        except (*AWAY, *REFUSED) as error:
            emit("ledger.away", run=run_id, outcome="queued", error=error)
        if task not in self.consumer.app.tasks:
            self.tell(task)
        self.wait(message)
        return True

    def note(self, run_id: str) -> None:
        """Without the note, beat would take the message for lost and send the run again."""
        when = time.time() + PAUSE_S
        until = when + NO_EXPIRY.total_seconds()
        lacking = Reason.TASK_LACKING
        self.ledger.close(run_id, "queued", when=when, until=until, unclaimed=True, reason=lacking)

    def problem(self, task: str) -> str:
        """The sentence for the log and for `status`."""
        what = f"Worker {self.consumer.hostname} lacks task '{task}', so its runs wait for a worker that has it"
        return f"{what}: {'; '.join(sorted(self.modules.failed.values())) or REMEDY}"

    def tell(self, task: str) -> None:
        """Say it once for each task."""
        is_new = task not in self.lacks
        self.lacks[task] = time.monotonic()
        if is_new:
            emit("worker.lacks", problem=self.problem(task))
            self.tell_ready()

    def learn(self) -> None:
        """Import what the last good schedule file names, and what could not be imported before, and take its runs."""
        before, tasks = self.sentence, self.consumer.app.tasks
        if self.modules.follow():
            prepare(self.consumer.app)
            self.consumer.update_strategies()
            emit("worker.learned", tasks=len(tasks))
        oldest = time.monotonic() - NOTICE_S
        self.lacks = {task: last for task, last in self.lacks.items() if task not in tasks and last > oldest}
        if self.sentence != before:
            self.tell_ready()

    def learn_at_once(self) -> None:
        """The same with the list that Redis has now: the file may name the module since the last report."""
        client, keys = self.ledger.client, self.ledger.keys
        self.modules.want(last_good_imports(client, keys) or self.modules.wanted)
        self.learn()

    def tell_ready(self) -> None:
        """Say in the unit's status what is lacking, unless that says now that the worker waits for Redis."""
        if not self.consumer.lost_at:
            self.consumer.tell_ready()

    def wait(self, message: Any) -> None:
        """Return the message after the pause; meanwhile it does not count among those that the worker may hold."""
        qos = self.consumer.qos if self.held < MAX_HELD else None
        self.held += 1
        if qos:
            qos.increment_eventually()
        self.consumer.timer.call_after(PAUSE_S, self.give_back, (message, qos))

    def give_back(self, message: Any, qos: Any) -> None:
        """Return it to its queue, unless the connection that it came over is gone: then it has returned already."""
        self.held -= 1
        if qos:
            qos.decrement_eventually()
        if not message.acknowledged:
            message.reject_log_error(logger, self.passing, requeue=True)


def is_expired(message: Any) -> bool:
    """Whether the message says that it is too late for its run."""
    with suppress(ValueError, TypeError):
        return datetime.fromisoformat(message.headers["expires"]).timestamp() <= time.time()
    return False
