"""Stop or retry chosen runs: what it would do, and the act. One reason, one group of the audit log, no undo."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from scheduler.changes.bulk import GROUP_BYTES, MAX_AT_ONCE, Answer, Asked
from scheduler.changes.runs import NOT_RETRIED, RETRYABLE, retry, stop
from scheduler.errors import NotFound, RefusedChange, SchedulerError
from scheduler.model import Run
from scheduler.model.run import UNDER_WAY
from scheduler.sending.dispatch import Dispatcher
from scheduler.storage.ledger import Ledger
from scheduler.storage.store import Store

ONE_AT_A_TIME = "another run of its schedule is chosen too, and they may not overlap"


@dataclass(frozen=True)
class BulkOfRuns:
    """The parts of the service that it needs; ``ids`` are those of runs, and an act is ``stop`` or ``retry``."""

    store: Store
    ledger: Ledger
    dispatcher: Dispatcher

    def forecast(self, act: str, ids: Sequence[str]) -> Answer:
        """What the act would do; changes nothing. Raises RefusedChange for too many."""
        refuse_too_many(ids)
        answer, chosen = Answer(), set[str]()
        for run_id in ids:
            try:
                run = self._get(run_id)
                refuse_stop(run) if act == "stop" else self._refuse_retry(run, run.schedule in chosen)
                chosen.add(run.schedule)
                answer.done.append(run_id)
            except SchedulerError as error:
                answer.left[run_id] = str(error)
        return answer

    def carry_out(self, asked: Asked, ids: Sequence[str]) -> Answer:
        """Do it to each that allows it; the others stay as they are. Raises what ``forecast`` does."""
        refuse_too_many(ids)
        answer = Answer(group=secrets.token_hex(GROUP_BYTES))
        how = {"by": asked.by, "note": asked.why, "group": answer.group}
        for run_id in ids:
            try:
                self._get(run_id)
                if asked.act == "stop":
                    stop(self.ledger, run_id, **how)
                else:
                    retry(self.dispatcher, self.store, self.ledger, run_id, **how)
                answer.done.append(run_id)
            except SchedulerError as error:
                answer.left[run_id] = str(error)
        return answer

    def _get(self, run_id: str) -> Run:
        """The run; raises NotFound, also for a text that is no id."""
        try:
            return self.ledger.get(run_id)
        except (ValueError, OverflowError):
            raise NotFound(f"{run_id[:100]!r} is not the id of a run") from None

    def _refuse_retry(self, run: Run, is_second: bool) -> None:
        """Raise NotFound or RefusedChange if a retry would; ``is_second`` if another of its schedule comes before."""
        why = "" if run.outcome in RETRYABLE else NOT_RETRIED.get(run.outcome, f"it is {run.outcome}")
        if not why and run.count > 1:
            why = NOT_RETRIED["stretch"]
        entry = None if why else self.store.of_run(run)
        if entry is not None and self.dispatcher.again(entry, run).overlap != "allow":
            newest = self.ledger.latest([entry.name]).get(entry.name)
            is_busy = newest is not None and newest.outcome in UNDER_WAY
            why = ONE_AT_A_TIME if is_second else NOT_RETRIED["in the way"] if is_busy else ""
        if why:
            raise RefusedChange(f"{run.id} is not retried: {why}")


def refuse_stop(run: Run) -> None:
    """Raise RefusedChange if there is nothing to stop."""
    if run.outcome not in UNDER_WAY:
        raise RefusedChange(f"{run.id} is not under way: it is {run.outcome}")


def refuse_too_many(ids: Sequence[str]) -> None:
    """Raise RefusedChange for more than one act may have."""
    if len(ids) > MAX_AT_ONCE:
        raise RefusedChange(f"{len(ids)} runs are more than {MAX_AT_ONCE} at once: choose fewer")
