"""What becomes of an entry that is due: which instants run, which are skipped and why, and when it is due next.

Pure: the beat brings the clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from scheduler.adopt import GRACE
from scheduler.entries import Job
from scheduler.instants import EPOCH, from_seconds
from scheduler.model import Entry

AT_ONCE = 100  #: most instants of one entry that are sent in one tick; `catch_up: all` goes on in the next
COUNTED = 10_000  #: most missed instants that are counted one by one


@dataclass(frozen=True)
class Skip:
    """A stretch of due instants that will not run."""

    reason: str
    first: datetime
    last: datetime
    count: int
    detail: str = ""


@dataclass(frozen=True)
class Decision:
    """What one tick does with an entry; ``due`` is its next due instant, None when it will never fire again."""

    runs: tuple[datetime, ...] = ()
    skips: tuple[Skip, ...] = ()
    due: datetime | None = None
    resumed: bool = False


@dataclass
class Sorting:
    """Due instants on their way into runs and skips; equal neighbours become one stretch."""

    runs: list[datetime] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)

    def skip(self, reason: str, at: datetime, detail: str = "", count: int = 1) -> None:
        last = self.skips[-1] if self.skips else None
        if last and (last.reason, last.detail) == (reason, detail):
            self.skips[-1] = Skip(reason, last.first, at, last.count + count, detail)
        else:
            self.skips.append(Skip(reason, at, at, count, detail))


def decide(entry: Entry, job: Job, now: datetime, away: tuple[datetime, datetime] | None = None) -> Decision:
    """Decide over every due instant of the entry up to now.

    ``away`` is the stretch in which no beat led, if there was one: it is the reason of what was missed in it.
    """
    pause = entry.pause
    if entry.due is None or not job.enabled:
        return Decision(due=entry.due if job.enabled else None)
    if pause is not None and (pause.until is None or from_seconds(pause.until) > now):
        return Decision(due=entry.due)
    resumed = from_seconds(pause.until) if pause is not None and pause.until is not None else None
    sorting = Sorting()
    instants = list(islice(due_instants(entry.due, job, now), COUNTED))
    ready: list[datetime] = []
    for instant in instants:
        if resumed is not None and instant <= resumed:
            sorting.skip("paused", instant, pause.note if pause else "")
        elif job.timing.is_excluded(instant):
            sorting.skip("excluded", instant)
        else:
            ready.append(instant)
    if len(instants) == COUNTED and job.policies.catch_up != "all":
        # The latest of them all lies further on: these only count, and the next tick goes on behind them.
        for instant in ready:
            sorting.skip("missed", instant, why_missed(instant, away))
    else:
        choose(ready, job, now, away, sorting)
    rest = sorting.runs[AT_ONCE:]
    del sorting.runs[AT_ONCE:]
    if job.max_runs is not None:
        del sorting.runs[max(job.max_runs - entry.total_run_count, 0) :]
    finished = job.max_runs is not None and entry.total_run_count + len(sorting.runs) >= job.max_runs
    last = instants[-1] if instants else entry.due - timedelta(microseconds=1)
    due = None if finished else rest[0] if rest else job.timing.next_due(last)
    return Decision(tuple(sorting.runs), tuple(sorting.skips), due, resumed is not None)


def due_instants(due: datetime | None, job: Job, now: datetime) -> Iterator[datetime]:
    """The due instants from ``due`` on whose time to be sent has come."""
    while due is not None and job.timing.send_at(due) <= now:
        yield due
        due = job.timing.next_due(due)


def choose(
    ready: list[datetime], job: Job, now: datetime, away: tuple[datetime, datetime] | None, sorting: Sorting
) -> None:
    """Apply ``catch_up`` to the instants that nothing else rules out."""
    missed = [instant for instant in ready if now - job.timing.send_at(instant) > GRACE]
    on_time = ready[len(missed) :]
    young = [instant for instant in missed if now - instant <= job.policies.catch_up_window]
    caught_up: list[datetime] = []
    if job.policies.catch_up == "all":
        caught_up = young
    elif job.policies.catch_up == "latest" and not on_time:
        caught_up = young[-1:]
    chosen = set(caught_up)
    for instant in missed:
        if instant in chosen:
            sorting.runs.append(instant)
        else:
            sorting.skip("missed", instant, why_missed(instant, away))
    sorting.runs += on_time


def why_missed(instant: datetime, away: tuple[datetime, datetime] | None) -> str:
    """The reason of a missed instant, in a sentence."""
    if away is None or not away[0] <= instant <= away[1]:
        return "beat was late"
    first, last = away
    if first == EPOCH:
        return f"no beat led before {last.strftime('%Y-%m-%d %H:%M')} UTC"
    form = "%H:%M" if last - first < timedelta(hours=20) else "%Y-%m-%d %H:%M"
    return f"beat was down {first.strftime(form)}–{last.strftime(form)} UTC"
