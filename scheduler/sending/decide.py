"""What becomes of an entry that is due: which instants run, which are skipped and why, and when it is due next.

Pure: the beat brings the clock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple

from scheduler.model import Entry, Pause, Reason, SkipNext
from scheduler.storage.entries import Job
from scheduler.storage.instants import EPOCH, from_seconds

Stretches = Sequence[tuple[datetime, datetime]]

#: A due instant at most this old still counts as on time; anything older was missed.
GRACE = timedelta(seconds=15)
MAX_RUNS_PER_TICK = 100  #: of one entry; the rest of `catch_up: all` is due again at the next tick
MAX_MISSED_COUNTED = 10_000  #: in one tick, so that a long outage of a schedule with seconds does not stop beat


@dataclass(frozen=True)
class Skip:
    """A stretch of due instants that will not run."""

    reason: Reason
    first: datetime
    last: datetime
    count: int
    detail: str = ""
    is_apart: bool = False  #: whether an instant that has its own row lies before it, so that it joins no earlier row


class Leaderless(NamedTuple):
    """The interval in which no beat led. A beat that led before and after it was not down, but could not lead."""

    first: datetime
    last: datetime
    was_down: bool = True


class Forgotten(NamedTuple):
    """What fell due up to an instant was sent, and Redis knows only of the ``recorded`` instants among it."""

    until: datetime
    recorded: Collection[datetime]


class Decision(NamedTuple):
    """What one tick does with an entry.

    ``due`` is the next due instant to store, None when it will never fire again. ``if_unsent`` is the one to store
    instead, if a run that would have used up ``max_runs`` is skipped for overlap.
    """

    runs: tuple[datetime, ...] = ()
    skips: tuple[Skip, ...] = ()
    due: datetime | None = None
    resumed: bool = False
    if_unsent: datetime | None = None

    @property
    def is_unusual(self) -> bool:
        """Whether there is more to do than to send runs."""
        return bool(self.skips or self.resumed or self.if_unsent)


@dataclass
class Sorting:
    """Due instants on their way into runs and skips; equal neighbours become one stretch."""

    runs: list[datetime] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)
    in_stretch: bool = False  #: whether the instant before was skipped
    is_apart: bool = False  #: whether the instant before was passed over

    def run(self, at: datetime) -> None:
        """This instant runs."""
        self.runs.append(at)
        self.in_stretch = self.is_apart = False

    def pass_over(self) -> None:
        """The next instant has its row already, and no stretch may reach across it."""
        self.in_stretch, self.is_apart = False, True

    def skip(self, at: datetime, reason: Reason, detail: str) -> None:
        """This instant is skipped; it joins the stretch before it if the reason is the same."""
        last = self.skips[-1] if self.in_stretch else None
        if last and (last.reason, last.detail) == (reason, detail):
            self.skips[-1] = replace(last, last=at, count=last.count + 1)
        else:
            self.skips.append(Skip(reason, at, at, 1, detail, self.is_apart))
        self.in_stretch, self.is_apart = True, False


def decide(
    entry: Entry,
    job: Job,
    now: datetime,
    leaderless: Leaderless | None = None,
    covered: Stretches = (),
    forgotten: Forgotten | None = None,
) -> Decision:
    """Decide what becomes of every due instant of the entry up to now.

    ``leaderless`` is the interval in which no beat led, if there was one: instants in it were missed for that reason.
    ``covered`` are intervals whose instants were decided before the clock was set back: these are passed over.
    ``forgotten`` is what Redis lost when it came back with older data.
    """
    pause = entry.pause
    if entry.due is None or not job.enabled:
        return Decision(due=entry.due if job.enabled else None)
    if pause is not None and (pause.until is None or from_seconds(pause.until) > now):
        # It keeps its due instant: from there on, the end of the pause counts what was skipped.
        return Decision(due=entry.due)
    # One more than are counted: it shows whether there are more, and is where the next tick starts.
    instants = list(islice(fallen_due(entry.due, job, now), MAX_MISSED_COUNTED + 1))
    more = len(instants) > MAX_MISSED_COUNTED
    due = instants.pop() if more else job.timing.next_due(instants[-1]) if instants else entry.due
    told = told_already(instants, job, covered, forgotten) if covered or forgotten else ()
    left_over = [at for at in instants if at not in told]
    # First of all, so that `catch_up: latest` picks the latest instant that may run.
    ruled_out = {at: why for at in left_over if (why := rule_out(at, entry, job, forgotten))}
    chosen = choose([at for at in left_over if at not in ruled_out], job, now, more)
    left = None if job.max_runs is None else max(job.max_runs - entry.total_run_count, 0)
    sorting = Sorting(is_apart=forgotten is not None)
    if_unsent = None
    for at in instants:
        if at in told:
            sorting.pass_over()
            continue
        if len(sorting.runs) == left:  # commit.lua goes on here if one of these runs is not sent after all
            if_unsent = at
            break
        if at not in chosen:
            sorting.skip(at, *(ruled_out.get(at) or (Reason.MISSED, why_missed(at, leaderless))))
        elif len(sorting.runs) == MAX_RUNS_PER_TICK:
            due = at
            break
        else:
            sorting.run(at)
    if len(sorting.runs) == left:
        due, if_unsent = None, if_unsent or due
    return Decision(tuple(sorting.runs), tuple(sorting.skips), due, pause is not None, if_unsent)


def told_already(
    instants: Iterable[datetime], job: Job, covered: Stretches, forgotten: Forgotten | None
) -> set[datetime]:
    """Those instants that have a row: no stretch of skips may reach across one."""
    recorded = forgotten.recorded if forgotten else ()
    return {at for at in instants if at in recorded or covered_until(at, job, covered)}


def decide_on_time(entry: Entry, job: Job, due: datetime | None, now: datetime) -> Decision | None:
    """The decision over an entry with one due instant that is on time, as most are; None if only ``decide`` can tell.

    ``due`` takes the place of the entry's own due instant.
    """
    if due is None or entry.pause is not None or job.max_runs is not None or not job.enabled:
        return None
    sent_at, following = job.timing.send_at(due), job.timing.next_due(due)
    # If the next one is due too, this one was missed, and `catch_up` has to choose.
    if not sent_at <= now <= sent_at + GRACE or following is None or job.timing.send_at(following) <= now:
        return None
    return None if rule_out(due, entry, job) else Decision((due,), (), following)


def fallen_due(due: datetime | None, job: Job, now: datetime) -> Iterator[datetime]:
    """The due instants from ``due`` on that are to be sent by now, jitter included."""
    while due is not None and job.timing.send_at(due) <= now:
        yield due
        due = job.timing.next_due(due)


def rule_out(at: datetime, entry: Entry, job: Job, forgotten: Forgotten | None = None) -> tuple[Reason, str] | None:
    """Why an instant does not run whatever ``catch_up`` says: the reason and its detail."""
    # RedBeat's own beat notes what it sent in `meta` alone, and leaves our due instant behind.
    if entry.last_run_at is not None and at <= entry.last_run_at:
        return Reason.ELSEWHERE, ""
    if entry.skip is not None and at == from_seconds(entry.skip.due):
        return Reason.REQUESTED, by_person("requested", entry.skip)
    if entry.pause is not None and entry.pause.until is not None and at <= from_seconds(entry.pause.until):
        return Reason.PAUSED, by_person("paused", entry.pause)
    if job.timing.is_excluded(at):
        return Reason.EXCLUDED, ""
    return (Reason.FORGOTTEN, "") if forgotten is not None and job.timing.send_at(at) <= forgotten.until else None


def by_person(verb: str, overlay: Pause | SkipNext) -> str:
    """Who did it, and the note that they left."""
    return f"{verb} by {overlay.by}" + (f": {overlay.note}" if overlay.note else "")


def choose(ready: list[datetime], job: Job, now: datetime, more: bool) -> set[datetime]:
    """The instants that run: those on time, and those that ``catch_up`` picks from the missed ones.

    With ``more`` to come in the next tick, the latest is not among these.
    """
    missed = [at for at in ready if now - job.timing.send_at(at) > GRACE]
    on_time = ready[len(missed) :]
    caught_up = [at for at in missed if now - at <= job.policies.catch_up_window]
    if job.policies.catch_up == "none" or (job.policies.catch_up == "latest" and (on_time or more)):
        caught_up = []
    elif job.policies.catch_up == "latest":
        caught_up = caught_up[-1:]
    return {*caught_up, *on_time}


def why_missed(instant: datetime, leaderless: Leaderless | None) -> str:
    """The period in which no beat led, where that is why this instant was missed; else nothing."""
    if leaderless is None or not leaderless.first <= instant <= leaderless.last:
        return ""
    first, last, was_down = leaderless
    if first == EPOCH:
        return f"no beat led before {last.strftime('%Y-%m-%d %H:%M')} UTC"
    form = "%H:%M" if last - first < timedelta(hours=20) else "%Y-%m-%d %H:%M"
    form = "%H:%M:%S" if last - first < timedelta(minutes=5) else form
    period = f"{first.strftime(form)}–{last.strftime(form)} UTC"
    if was_down:
        return f"beat was down {period}"
    return f"no beat led {period}: Redis did not answer, or this machine stood still"


def expiry(job: Job, instant: datetime, following: datetime | None, now: datetime) -> datetime | None:
    """When a queued run expires: ``expires`` after its due instant, else at the next due instant.

    A run that is caught up counts from now: from its due instant, it could be expired before it is sent.
    With `overlap: queue` or `allow`, a late run does not keep the next one from running: it expires only on demand.
    So does one of a group: it would lose its turn to those that came later.
    """
    if job.policies.expires is not None:
        sent_at = job.timing.send_at(instant)
        return (sent_at if now - sent_at <= GRACE else now) + job.policies.expires
    if job.group is not None:
        return None
    return following if job.policies.overlap == "skip" and following is not None and following > now else None


def covered_until(at: datetime, job: Job, covered: Stretches) -> datetime | None:
    """The end of the covered interval in which this instant was sent or skipped, None if there is none.

    An instant shortly before an interval belongs to it, if it was caught up or still on time when the interval began.
    """
    catch_up = job.policies.catch_up
    earlier = job.policies.catch_up_window if catch_up == "all" else GRACE
    for first, last in covered:
        if first - earlier <= at <= last:
            return last
        # The latest missed instant ran when the interval began, however old it was.
        if catch_up == "latest" and at < first < (job.timing.next_due(at) or last):
            return last
    return None
