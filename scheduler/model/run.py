"""One due instant, or one manual request, from sent to finished."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

BEFORE_INSTANT = re.compile(r"^(manual-|then-[0-9a-f]{8}-)+")  #: what an identity has between the name and the instant
Outcome = Literal["queued", "running", "succeeded", "failed", "stopped", "lost", "skipped", "unreadable"]
UNDER_WAY: tuple[Outcome, ...] = ("queued", "running")


class Attempt(NamedTuple):
    """One start of a run's body; times are epoch seconds, 0 where not reached or not known."""

    number: int
    started: float
    ended: float
    worker: str
    outcome: str  #: that of a run, or 'interrupted' where its worker was shutting down
    error: str  #: the first line of why it ended so; empty where nothing says more

    @property
    def duration(self) -> float | None:
        """Seconds that it took."""
        return self.ended - self.started if self.started and self.ended else None


@dataclass(frozen=True)
class Run:
    """One due instant (or manual request) in the ledger; times are epoch seconds, 0 where not reached.

    A stretch of equal skips is one Run with ``count`` above 1, from ``due`` to ``until``. The outcome of a row that
    another program damaged, or that a later version wrote, is 'unreadable'; its ``detail`` says why.
    """

    id: str
    schedule: str
    due: float
    outcome: Outcome
    manual: bool = False
    task: str = ""
    task_id: str = ""
    reason: str = ""  #: one of the words in reasons.py, where it did not simply run
    detail: str = ""  #: the reason in a sentence
    queue: str = ""
    sent: float = 0.0
    expires: float = 0.0  #: when it is skipped if no worker claimed it by then
    started: float = 0.0
    finished: float = 0.0
    worker: str = ""
    result: str = ""
    traceback: str = ""
    exit_code: int = 0  #: of the program that failed, as a shell has it; 0 if none did
    by: str = ""
    arguments: str = ""  #: what a person gave instead of its schedule's arguments: JSON, a list of args and kwargs
    attempt: int = 0
    began: float = 0.0  #: when its present attempt started, of a later one than the first
    earlier: tuple[Attempt, ...] = ()  #: attempts before the present one, or with it while it waits for the next
    was: str = ""  #: the outcome that it had before a person retried it, or a backfill did
    count: int = 1
    until: float = 0.0
    backfill: bool = False  #: whether a person asked for its due instant once more; ``by`` says who
    ping: bool = False  #: whether its schedule has a `ping`
    slow_after: float = 0.0  #: seconds after which it counts as slow; 0 for never
    group: str = ""  #: in which it has a place, or waits for one
    pause_after: int = 0  #: failures in a row after which its schedule is paused; 0 for never
    parent: str = ""  #: the run that it follows, by `then`
    followers: str = ""  #: what is to follow it, see ``_followers.lua``
    children: str = ""  #: the runs that follow it, separated by spaces
    references: str = ""  #: digest of the references that the schedule file declared in its arguments

    @property
    def went_wrong(self) -> bool:
        """Whether it failed or was lost."""
        return self.outcome in ("failed", "lost")

    @property
    def error(self) -> str:
        """The first line of why it failed or was lost; empty for any other run, and where it says nothing."""
        lines = (self.result or self.detail).strip().splitlines() if self.went_wrong else []
        return lines[0] if lines else ""

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Each attempt that is known, the oldest first; the last may be under way."""
        is_known = any(it.number == self.attempt for it in self.earlier)
        if is_known or not self.attempt or self.outcome == "queued":
            return self.earlier
        started = self.started if self.attempt == 1 else self.began
        why = self.error or (self.detail if self.outcome == "stopped" else "")
        return (*self.earlier, Attempt(self.attempt, started, self.finished, self.worker, self.outcome, why))

    @property
    def lateness(self) -> float | None:
        """Seconds from the due instant to the start of the body; of a run that follows another, from its sending."""
        since = self.sent if self.parent else self.due  # what follows another run could not start before that ended
        return self.started - since if self.started else None

    @property
    def duration(self) -> float | None:
        """Seconds that the body took."""
        return self.finished - self.started if self.started and self.finished else None


def run_id(name: str, due: datetime, *, manual: bool = False) -> str:
    """The identity of a run: its schedule and due instant, as text that sorts by time."""
    instant = due.isoformat().removesuffix("+00:00") + "Z"
    return f"{name}@{'manual-' if manual else ''}{instant}"


def read_run_id(identity: str) -> tuple[str, float]:
    """The schedule and due instant (epoch seconds) of a run's identity."""
    return identity.rpartition("@")[0], datetime.fromisoformat(instant_of(identity)).timestamp()


def instant_of(identity: str) -> str:
    """The instant in a run's identity, as text: of one that follows another, the due instant of the first."""
    return BEFORE_INSTANT.sub("", identity.rpartition("@")[2])
