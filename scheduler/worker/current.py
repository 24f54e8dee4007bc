"""What the body of a task may know of its run."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from functools import cached_property
from typing import Any

from celery import current_task

from scheduler.errors import NotFound
from scheduler.references import CannotFill
from scheduler.run_words import INSTANTS, in_format
from scheduler.sending.headers import run_of
from scheduler.status import output
from scheduler.storage import entries
from scheduler.storage.entries import DamagedEntry
from scheduler.storage.instants import from_seconds
from scheduler.storage.ledger import Ledger
from scheduler.storage.store import Store
from scheduler.timing import Timing, get_zone, previous_due

MAX_VARIABLE_CHARS = 30_000  #: Linux refuses a variable of 128 KB, and a character has up to 4 bytes


@dataclass(frozen=True)
class FinishedRun:
    """The run that another one follows; its due instant is in the time zone of the schedule that follows."""

    name: str  #: of its schedule
    run_id: str
    due: datetime
    outcome: str  #: ``succeeded``, ``failed``, ``lost`` or ``stopped``
    result: str  #: what its task returned, or its error: as the ledger has it, at most some thousand characters
    output: str = ""  #: what its last attempt printed and logged: as `logs` shows it, with a mark where it was cut

    def environment(self) -> dict[str, str]:
        """The same for a program."""
        return {
            "AFTER_SCHEDULE": self.name,
            "AFTER_RUN": self.run_id,
            "AFTER_DUE": self.due.isoformat(),
            "AFTER_OUTCOME": self.outcome,
            "AFTER_RESULT": self.result.replace("\0", ""),
            "AFTER_OUTPUT": self.output[-MAX_VARIABLE_CHARS:],
        }


@dataclass(frozen=True)
class CurrentRun:
    """The run that the calling task belongs to; instants are in the schedule's time zone."""

    name: str  #: of the schedule
    run_id: str
    due: datetime  #: also of a run that is caught up; of a manual run, when it was asked for
    previous_due: datetime | None  #: the due instant before; None for the first
    attempt: int  #: 1 for the first, more for a retry and after a lost worker
    deadline: datetime | None  #: when its `timeout` ends it; None without one
    manual: bool  #: whether it is a manual run; False for a run of a backfill
    args: tuple[Any, ...] = ()  #: as the schedule has them: references and words of the run are not filled in
    kwargs: dict[str, Any] = field(default_factory=dict)
    after: FinishedRun | None = None  #: the run that it follows, by `then`
    is_removed: bool = False  #: whether its schedule is gone, so that instants are in UTC

    @property
    def window(self) -> tuple[datetime | None, datetime]:
        """The time that a report of this run is about: from the due instant before up to its own."""
        return self.previous_due, self.due

    def environment(self) -> dict[str, str]:
        """The same for a program, as environment variables; what there is none of is left out."""
        values = {
            "SCHEDULE": self.name,
            "RUN": self.run_id,
            "DUE": self.due.isoformat(),
            "PREVIOUS_DUE": self.previous_due.isoformat() if self.previous_due else "",
            "ATTEMPT": str(self.attempt),
            "DEADLINE": self.deadline.isoformat() if self.deadline else "",
        }
        values |= self.after.environment() if self.after else {}
        return {name: value for name, value in values.items() if value}


def current_run() -> CurrentRun | None:
    """The run of a schedule that the calling task belongs to; None in a plain call, and outside of tasks.

    Reads the ledger and the schedule, so that a body which does not ask costs nothing.
    """
    request = current_task.request if current_task else None
    identity = run_of(request)
    recorder = getattr(current_task, "scheduler_recorder", None) if identity else None
    return None if recorder is None else read(recorder.ledger, str(identity), request)


def read(ledger: Ledger, identity: str, request: Any) -> CurrentRun | None:
    """The run as the ledger and the schedule have it; None if the ledger lost it."""
    try:
        run = ledger.get(identity)
    except NotFound:
        return None
    timing = timing_of(ledger, run.schedule)
    zone = get_zone(timing.zone) if timing else UTC
    due = from_seconds(run.due)
    before = previous_due(timing, due) if timing and not run.parent else None
    limit = (getattr(request, "timelimit", None) or (None,))[0]
    return CurrentRun(
        name=run.schedule,
        run_id=identity,
        due=due.astimezone(zone),
        previous_due=before.astimezone(zone) if before else None,
        attempt=run.attempt,
        deadline=from_seconds(run.started + limit).astimezone(zone) if limit and run.started else None,
        manual=run.manual,
        args=tuple(getattr(request, "args", None) or ()),
        kwargs=dict(getattr(request, "kwargs", None) or {}),
        after=finished(ledger, run.parent, zone) if run.parent else None,
        is_removed=timing is None,
    )


def finished(ledger: Ledger, identity: str, zone: tzinfo) -> FinishedRun | None:
    """The run that another one follows; None if the ledger no longer has it."""
    try:
        run = ledger.get(identity)
    except NotFound:
        return None
    due, printed = from_seconds(run.due).astimezone(zone), output.of_attempt(ledger, identity, run.attempt)
    return FinishedRun(run.schedule, identity, due, run.outcome, run.result, output.text(printed))


def timing_of(ledger: Ledger, name: str) -> Timing | None:
    """The timing of the schedule, also under its new name; None if it is gone or cannot be read."""
    try:
        return entries.job(Store(ledger.client, ledger.keys).get_moved(name)).timing
    except (NotFound, DamagedEntry):
        return None


class Words:
    """The words of the calling run, for its arguments; the run is read when the first one is needed."""

    @cached_property
    def run(self) -> CurrentRun | None:
        return current_run()

    def __call__(self, word: str, form: str) -> str:
        """The text of a word in this format; raises CannotFill."""
        run = self.run
        if run is None:
            raise CannotFill(f"${{{word}}} in the arguments: Redis has lost the record of this run — run it again")
        if word not in INSTANTS:
            return {"run": run.run_id, "attempt": str(run.attempt), "schedule": run.name}[word]
        if run.is_removed:
            what = f"${{{word}}} in the arguments: the schedule was removed, and its time zone with it"
            raise CannotFill(f"{what} — restore the schedule, then run it again")
        return in_format(run.due if word == "due" else run.previous_due, form)
