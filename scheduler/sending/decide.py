"""What becomes of an entry that is due: which instants run, which are skipped and why, and when it is due next.

Pure: the beat brings the clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple

from scheduler.model import Entry, Pause, Reason, SkipNext
from scheduler.storage.entries import Job
from scheduler.storage.instants import EPOCH, from_seconds

Stretches = Sequence[tuple[datetime, datetime]]

#: An instant that lies no further back than this is met on time; one before it belongs to a time when nobody looked.
GRACE = timedelta(seconds=15)
AT_ONCE = 100  #: most instants of one entry that are sent in one tick; `catch_up: all` goes on in the next
COUNTED = 10_000  #: most missed instants that are counted one by one


@dataclass(frozen=True)
class Skip:
    """A stretch of due instants that will not run."""

    reason: Reason
    first: datetime
    last: datetime
    count: int
    detail: str = ""


class Decision(NamedTuple):
    """What one tick does with an entry.

    ``due`` is its next due instant, None when it will never fire again; ``if_unsent`` the one that it has if one of the
    runs, which were to be the last, overlaps the run before.
    """

    runs: tuple[datetime, ...] = ()
    skips: tuple[Skip, ...] = ()
    due: datetime | None = None
    resumed: bool = False
    if_unsent: datetime | None = None

    @property
    def is_unusual(self) -> bool:
        """Whether there is more to it than runs."""
        return bool(self.skips or self.resumed or self.if_unsent)


@dataclass
class Sorting:
    """Due instants on their way into runs and skips; equal neighbours become one stretch."""

    runs: list[datetime] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)
    in_stretch: bool = False  #: whether the instant before was skipped

    def run(self, at: datetime) -> None:
        self.runs.append(at)
        self.in_stretch = False

    def skip(self, at: datetime, reason: Reason, detail: str) -> None:
        last = self.skips[-1] if self.in_stretch else None
        if last and (last.reason, last.detail) == (reason, detail):
            self.skips[-1] = Skip(reason, last.first, at, last.count + 1, detail)
        else:
            self.skips.append(Skip(reason, at, at, 1, detail))
        self.in_stretch = True


def decide(
    entry: Entry,
    job: Job,
    now: datetime,
    away: tuple[datetime, datetime] | None = None,
    handled: Stretches = (),
) -> Decision:
    """Decide over every due instant of the entry up to now.

    ``away`` is the stretch in which no beat led, if there was one: it is the reason of what was missed in it.
    ``handled`` are stretches whose instants were decided over before the clock was set back: they are passed over.
    """
    pause = entry.pause
    if entry.due is None or not job.enabled:
        return Decision(due=entry.due if job.enabled else None)
    if pause is not None and (pause.until is None or from_seconds(pause.until) > now):
        return Decision(due=entry.due)
    instants = list(islice(fallen_due(entry.due, job, now), COUNTED + 1))
    more = len(instants) > COUNTED
    due = instants.pop() if more else job.timing.next_due(instants[-1]) if instants else entry.due
    if handled:
        instants = [at for at in instants if handled_until(at, job, handled) is None]
    ruled_out = {at: why for at in instants if (why := rule_out(at, entry, job))}
    chosen = choose([at for at in instants if at not in ruled_out], job, now, more)
    left = None if job.max_runs is None else max(job.max_runs - entry.total_run_count, 0)
    sorting = Sorting()
    if_unsent = None
    for at in instants:
        if len(sorting.runs) == left:
            if_unsent = at
            break
        if at not in chosen:
            sorting.skip(at, *(ruled_out.get(at) or (Reason.MISSED, why_missed(at, away))))
        elif len(sorting.runs) == AT_ONCE:
            due = at
            break
        else:
            sorting.run(at)
    if len(sorting.runs) == left:
        due, if_unsent = None, if_unsent or due
    return Decision(tuple(sorting.runs), tuple(sorting.skips), due, pause is not None, if_unsent)


def decide_on_time(entry: Entry, job: Job, due: datetime | None, now: datetime) -> Decision | None:
    """What ``decide`` says of an entry that is due once, and on time, as most are; None if it takes more thought.

    ``due`` stands for the entry's own.
    """
    if due is None or entry.pause is not None or job.max_runs is not None or not job.enabled:
        return None
    sent_at, following = job.timing.send_at(due), job.timing.next_due(due)
    if not sent_at <= now <= sent_at + GRACE or following is None or job.timing.send_at(following) <= now:
        return None
    return None if rule_out(due, entry, job) else Decision((due,), (), following)


def fallen_due(due: datetime | None, job: Job, now: datetime) -> Iterator[datetime]:
    """The due instants from ``due`` on whose time to be sent has come."""
    while due is not None and job.timing.send_at(due) <= now:
        yield due
        due = job.timing.next_due(due)


def rule_out(at: datetime, entry: Entry, job: Job) -> tuple[Reason, str] | None:
    """Why an instant does not run whatever ``catch_up`` says: the reason and its detail."""
    if entry.last_run_at is not None and at <= entry.last_run_at:
        return Reason.ELSEWHERE, ""
    if entry.skip is not None and at == from_seconds(entry.skip.due):
        return Reason.REQUESTED, by_person("requested", entry.skip)
    if entry.pause is not None and entry.pause.until is not None and at <= from_seconds(entry.pause.until):
        return Reason.PAUSED, by_person("paused", entry.pause)
    return (Reason.EXCLUDED, "") if job.timing.is_excluded(at) else None


def by_person(verb: str, overlay: Pause | SkipNext) -> str:
    """Who did it, and the note that they left."""
    return f"{verb} by {overlay.by}" + (f": {overlay.note}" if overlay.note else "")


def choose(ready: list[datetime], job: Job, now: datetime, more: bool) -> set[datetime]:
    """Those of the instants that run: what is on time, and what ``catch_up`` says of what was missed.

    With ``more`` of them to come, the latest is not among these.
    """
    missed = [at for at in ready if now - job.timing.send_at(at) > GRACE]
    on_time = ready[len(missed) :]
    caught_up = [at for at in missed if now - at <= job.policies.catch_up_window]
    if job.policies.catch_up == "none" or (job.policies.catch_up == "latest" and (on_time or more)):
        caught_up = []
    elif job.policies.catch_up == "latest":
        caught_up = caught_up[-1:]
    return {*caught_up, *on_time}


def why_missed(instant: datetime, away: tuple[datetime, datetime] | None) -> str:
    """The period in which no beat led, where that is why this instant was missed; else nothing."""
    if away is None or not away[0] <= instant <= away[1]:
        return ""
    first, last = away
    if first == EPOCH:
        return f"no beat led before {last.strftime('%Y-%m-%d %H:%M')} UTC"
    form = "%H:%M" if last - first < timedelta(hours=20) else "%Y-%m-%d %H:%M"
    return f"beat was down {first.strftime(form)}–{last.strftime(form)} UTC"


def expiry(job: Job, instant: datetime, following: datetime | None, now: datetime) -> datetime | None:
    """When a queued run is dropped: ``expires`` after it could be sent, else at the next due instant.

    A run that waits its turn (`overlap: queue`) or runs beside others (`allow`) is dropped only on demand.
    """
    if job.policies.expires is not None:
        return max(instant, now) + job.policies.expires
    return following if job.policies.overlap == "skip" and following is not None and following > now else None


def after_set_back(entry: Entry, job: Job, now: datetime, handled: Stretches) -> Entry | None:
    """The entry after the clock was set back to ``now``; None where its next due instant is the one that it has.

    A pause keeps the instant that it began with.
    """
    if entry.error or entry.pause is not None or (entry.due is not None and entry.due <= now):
        return None
    due = job.timing.next_due(now)
    while due is not None and (end := handled_until(due, job, handled)):
        due = job.timing.next_due(end)
    if due is None or due == entry.due:
        return None
    ran = entry.last_run_at
    return replace(entry, due=due, last_run_at=None if ran is None else min(ran, now))


def handled_until(at: datetime, job: Job, handled: Stretches) -> datetime | None:
    """The end of the stretch in which this instant was sent or skipped for good, if there is one.

    What ran when a stretch began, because it was caught up or not yet late, belongs to it.
    """
    catch_up = job.policies.catch_up
    earlier = job.policies.catch_up_window if catch_up == "all" else GRACE
    for first, last in handled:
        if first - earlier <= at <= last:
            return last
        if catch_up == "latest" and at < first < (job.timing.next_due(at) or last):
            return last
    return None
