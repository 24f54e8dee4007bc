"""Which runs a search asks for: by what their rows say, and by what their schedules say now."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Literal

from scheduler.model import Reason, Run
from scheduler.status.catalogue import View
from scheduler.status.query import having, of_any, same
from scheduler.storage.queues import PRIORITY

WRONG = "wrong"  #: as an outcome: failed or lost
Starter = Literal["person", "schedule", "run"]
FAILED, SKIPPED = ({reason.value for reason in Reason if reason.outcome == it} for it in ("failed", "skipped"))


@dataclass(frozen=True)
class Wanted:
    """Which runs; empty text is any. Instants are epoch seconds, texts are found in any case."""

    since: float = 0.0
    until: float = float("inf")
    outcome: str = ""  #: or WRONG
    text: str = ""  #: in the name of the schedule
    schedule: str = ""  #: exactly this one
    error: str = ""  #: in the first line of its error
    worker: str = ""  #: in the name of the worker that took it
    task: str = ""  #: in the name of its task
    queue: str = ""  #: exactly this one
    started_by: str = ""  #: a Starter
    reason: str = ""  #: exactly this word
    schedules: Collection[str] | None = None  #: only runs of these
    of_task: Collection[str] = ()  #: schedules that have the task now, for due instants that were not sent
    of_queue: Collection[str] = ()  #: the same for the queue

    @property
    def went_wrong(self) -> bool:
        """Whether only runs that failed or were lost can be among them: those have an index of their own.

        The reasons of lost runs do not say so: such a run may still succeed, and keeps its reason.
        """
        return self.outcome in (WRONG, "failed", "lost") or self.reason in FAILED

    @property
    def was_skipped(self) -> bool:
        """Whether only due instants that were skipped can be among them."""
        return self.outcome == "skipped" or self.reason in SKIPPED

    def has(self, run: Run) -> bool:
        """Whether it is one of these."""
        is_outcome = run.went_wrong if self.outcome == WRONG else run.outcome == self.outcome or not self.outcome
        is_in_time = self.since <= (run.until or run.due) <= self.until
        is_theirs = self.schedules is None or run.schedule in self.schedules
        return is_outcome and is_in_time and is_theirs and self.has_words(run)

    def has_words(self, run: Run) -> bool:
        """Whether its row says what is asked for."""
        texts = ((self.text, run.schedule), (self.error, run.error), (self.worker, run.worker))
        return (
            all(wanted.casefold() in text.casefold() for wanted, text in texts if wanted)
            and self.started_by in ("", starter(run))
            and self.reason in ("", run.reason)
            and (not self.task or self.has_task(run))
            and (not self.queue or self.has_queue(run))
        )

    def has_task(self, run: Run) -> bool:
        """Whether it has the task; a row that was never sent has none, so its schedule's counts."""
        return self.task.casefold() in run.task.casefold() if run.task else run.schedule in self.of_task

    def has_queue(self, run: Run) -> bool:
        """The same with the queue; a priority has a list of its own in Redis, whose name the row has."""
        queue = run.queue.partition(PRIORITY)[0]
        return self.queue.casefold() == queue.casefold() if queue else run.schedule in self.of_queue


def starter(run: Run) -> Starter:
    """Who started it: a person if it is manual or of a backfill, another run that it follows, or else its schedule."""
    return "person" if run.manual or run.backfill else "run" if run.parent else "schedule"


def with_schedules(wanted: Wanted, tag: str, look: Callable[[], View]) -> Wanted:
    """Add what it asks of schedules as they are now; only then calls ``look``, which may read all of them."""
    if not (tag or wanted.task or wanted.queue):
        return wanted
    view, task, queue = look(), wanted.task.casefold(), wanted.queue.casefold()
    tasks = {it for it in view.by_task if task in it.casefold()} if task else set()
    of_queue = of_any(view.by_destination, same(view.by_destination, queue)) if queue else ()
    of_task = of_any(view.by_task, tasks)
    return replace(wanted, schedules=having(view, tag), of_task=frozenset(of_task), of_queue=frozenset(of_queue))
