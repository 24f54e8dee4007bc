"""Sends the runs of backfills, a few at a time, after everything that is due: for the beat that leads."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from itertools import islice, takewhile
from typing import NamedTuple

from scheduler import faults
from scheduler.beat.lease import Lease
from scheduler.beat.loss_detector import LossDetector
from scheduler.errors import NotFound
from scheduler.events import emit
from scheduler.model import Entry, Run, run_id
from scheduler.model.run import UNDER_WAY
from scheduler.sending.dispatch import Dispatcher, OlderData
from scheduler.sending.message import CannotCompose
from scheduler.storage import entries
from scheduler.storage.backfills import WANTED, Backfill, Backfills, is_running, read, text_of
from scheduler.storage.entries import DamagedEntry, Job
from scheduler.storage.instants import from_seconds, to_seconds
from scheduler.storage.ledger import read_run
from scheduler.storage.lock import LostLock
from scheduler.storage.records import loads, mapping
from scheduler.storage.renamed import former_names
from scheduler.storage.scripts import script
from scheduler.storage.store import Store

ALL_INTERVAL_S = 60.0  #: seconds between two looks at all backfills, also those that are done
LOOKED_AT = 100  #: due instants of one backfill in one tick, beside those that may run at once


class Found(NamedTuple):
    """What one look at a backfill found."""

    runs: list[datetime]
    cursor: float
    is_last: bool  #: whether there is nothing behind the cursor


class BackfillSender:
    """One for each term as leader."""

    def __init__(self, dispatcher: Dispatcher, store: Store, lease: Lease, losses: LossDetector) -> None:
        self.dispatcher = dispatcher
        self.store, self.client, self.keys = store, store.client, store.keys
        self.lease = lease
        self.losses = losses
        self.backfills = Backfills(self.client, self.keys)
        self.steps: dict[str, tuple[float, int]] = {}  #: by name: when it began, and what this leader wrote last
        self.look_at_all_at, self.of_older = 0.0, set[str]()
        self.lost: dict[tuple[str, float], list[tuple[float, float]]] = {}  #: by a backfill's name and beginning
        self.names: dict[tuple[str, float], list[str]] = {}  #: of the schedule, the present one first; likewise
        self._send = script(self.client, "backfill")

    def send(self) -> bool:
        """Send what may run now of each backfill; whether there is more to look at. Raises LostLock or OlderData."""
        more = False
        if time.monotonic() >= self.look_at_all_at:  # an older release notes nowhere else that one began
            self.look_at_all_at = time.monotonic() + ALL_INTERVAL_S
            self.of_older = {name for name, text in self.backfills.texts().items() if is_running(text)}
        known: set[tuple[str, float]] = set()
        for name, text in self.backfills.running(self.of_older).items():
            backfill = read(text)
            if backfill is not None and backfill.name == name:
                known.add((name, backfill.at))
                more |= self.go_on(backfill, text)
        for cache in (self.lost, self.names):
            for ended in cache.keys() - known:
                del cache[ended]
        return more

    def go_on(self, backfill: Backfill, text: str) -> bool:
        """Send the next runs of one backfill; whether there is more to look at."""
        began, step = self.steps.get(backfill.name, (0.0, 0))
        if backfill.at <= began and backfill.step < step:
            # What Redis forgot of it may have run, and would run again.
            return self.end(backfill, text, "Redis came back with older data: look at what ran, then resume it")
        try:
            entry = self.store.get(backfill.name)
            job = entries.job(entry)
            return self.send_next(backfill, text, entry, job)
        except (NotFound, DamagedEntry, CannotCompose) as error:
            return self.end(backfill, text, error.args[0])

    def send_next(self, backfill: Backfill, text: str, entry: Entry, job: Job, most: int | None = None) -> bool:
        """Send the next runs, so many at most if that is given; whether there is more to look at."""
        open_ = self.still_open(backfill)
        free = min(backfill.max_running - len(open_), most or backfill.max_running)
        next_ = self.look(backfill, job, free) if free > 0 else Found([], backfill.cursor, is_last=False)
        ids = [run_id(entry.name, due) for due in next_.runs]
        after = replace(
            backfill,
            cursor=next_.cursor,
            sent=backfill.sent + len(ids),
            open="\n".join([*open_, *ids]),
            state="done" if next_.is_last and not open_ and not ids else "running",
            step=backfill.step + 1,
        )
        if replace(after, step=backfill.step) == backfill:
            return False
        divided = self.divided(backfill, job) if backfill.cursor < backfill.first else ("", "", "", "", "")
        words = [word for due in next_.runs for word in self.run(entry, job, due, backfill.by)]
        answer = self.write(backfill, text, after, divided, words)
        if answer == "full":  # its group has fewer places; with none left, it is tried again in the next tick
            return len(ids) > 1 and self.send_next(backfill, text, entry, job, most=1)
        if answer == "no list":
            return self.end(backfill, text, "its queue is not a list in Redis: give the schedule another queue")
        if answer == "done" and after.state == "done":
            emit("backfill.done", schedule=backfill.name, count=after.sent)
        return after.state == "running" and (len(ids) < free or most is not None) and not next_.is_last

    def run(self, entry: Entry, job: Job, due: datetime, by: str) -> list[str | float]:
        """A run as backfill.lua takes it."""
        following = job.timing.next_after(due)
        after = ("", "") if following is None else (run_id(entry.name, following), repr(to_seconds(following)))
        return [*self.dispatcher.backfilled(entry, job, due, by), *after]

    def still_open(self, backfill: Backfill) -> list[str]:
        """Its runs that have not ended."""
        ids = backfill.under_way
        rows = self.client.hmget(self.keys.ledger(backfill.name), ids) if ids else []
        return [id_ for id_, row in zip(ids, rows, strict=True) if row and read_run(id_, row).outcome in UNDER_WAY]

    def look(self, backfill: Backfill, job: Job, free: int) -> Found:
        """The next due instants that shall run, at most ``free``."""
        most = LOOKED_AT + free
        dues = list(islice(due_instants(job, backfill.cursor, backfill.last), most + 1))
        looked_at = dues[:most]
        rows = self.rows(backfill, looked_at)
        lost = self.lost_stretches(backfill) if None in rows else []
        runs: list[datetime] = []
        for due, row in zip(looked_at, rows, strict=True):
            if backfill.wants(to_seconds(due), row, lost):
                if len(runs) == free:
                    return Found(runs, to_seconds(before(due)), is_last=False)
                runs.append(due)
        is_last = len(dues) <= most
        return Found(runs, backfill.last if is_last else to_seconds(looked_at[-1]), is_last)

    def rows(self, backfill: Backfill, dues: list[datetime]) -> list[Run | None]:
        """The rows of these due instants, also of those from before the schedule was renamed."""
        found: dict[datetime, Run] = {}
        for name in self.names_of(backfill):
            ids = [run_id(name, due) for due in dues]
            texts = self.client.hmget(self.keys.ledger(backfill.name), ids) if ids else []
            found = {due: read_run(id_, text) for due, id_, text in zip(dues, ids, texts, strict=True) if text} | found
        return [found.get(due) for due in dues]

    def names_of(self, backfill: Backfill) -> list[str]:
        """The schedule's name and those that it had before, read once: a backfill ends with its name."""
        key = (backfill.name, backfill.at)
        if key not in self.names:
            ids = self.client.hkeys(self.keys.ledger(backfill.name))
            self.names[key] = [backfill.name, *former_names(ids, backfill.name)]
        return self.names[key]

    def lost_stretches(self, backfill: Backfill) -> list[tuple[float, float]]:
        """Stretches of this schedule that were sent, and that Redis forgot.

        They are read once: what Redis forgets while a backfill runs fell due after that had begun.
        """
        key = (backfill.name, backfill.at)
        if key not in self.lost:
            self.lost[key] = self.read_lost_stretches(backfill)
        return self.lost[key]

    def read_lost_stretches(self, backfill: Backfill) -> list[tuple[float, float]]:
        rows = self.client.hgetall(self.keys.ledger(backfill.name)).items()
        runs = [read_run(id_, text) for id_, text in rows if not id_.startswith(":") and '"until"' in text]
        return [(run.due, run.until) for run in runs if run.outcome == "lost"]

    def divided(self, backfill: Backfill, job: Job) -> tuple[str, str, str, str, str]:
        """The stretch of skips that begins before the backfill and reaches into it, as two; empty texts without one."""
        for id_, text in self.client.hgetall(self.keys.ledger(backfill.name)).items():
            row = None if id_.startswith(":") or '"until"' not in text else read_run(id_, text)
            if row is None or row.count < 2 or not row.due < backfill.first <= row.until:
                continue
            dues = [from_seconds(row.due), *islice(due_instants(job, row.due, row.until), row.count - 1)]
            cut = sum(to_seconds(due) < backfill.first for due in dues)
            if cut == len(dues):
                break
            stored, second = mapping(loads(text)), dues[cut]
            left = stored | {"count": str(cut), "until": repr(to_seconds(dues[cut - 1]))}
            right = stored | {"count": str(row.count - cut), "due": repr(to_seconds(second))}
            return text, id_, json.dumps(left), run_id(backfill.name, second), json.dumps(right)
        return "", "", "", "", ""

    def write(
        self, backfill: Backfill, text: str, after: Backfill, divided: tuple[str, ...], words: list[str | float]
    ) -> str:
        """Send these runs, and note it; the answer of backfill.lua. Raises LostLock or OlderData."""
        commits, wanted = self.losses.memory.commits, f" {' '.join(sorted(WANTED[backfill.only]))} "
        arguments = [self.lease.token, *self.dispatcher.limits, commits, backfill.name, text, text_of(after), wanted]
        faults.reach("backfill.before_send")
        answer = self._send(keys=[self.keys.lock], args=[*arguments, *divided, *words])
        faults.reach("backfill.after_send")
        if answer is None:
            raise LostLock
        if answer == "older":
            raise OlderData
        if answer == "done":
            self.losses.memory.commits += 1
            self.steps[backfill.name] = backfill.at, after.step
        return str(answer)

    def end(self, backfill: Backfill, text: str, why: str) -> bool:
        """Stop a backfill that cannot go on; a person may resume it."""
        _, step = self.steps.get(backfill.name, (0.0, 0))
        after = replace(backfill, state="stopped", why=why, step=max(backfill.step, step) + 1)
        if self.write(backfill, text, after, ("", "", "", "", ""), []) == "done":
            emit("backfill.stopped", schedule=backfill.name, why=why)
        return False


def due_instants(job: Job, after: float, last: float) -> Iterator[datetime]:
    """The due instants in ``(after, last]``, in epoch seconds, that no calendar excludes."""
    end = from_seconds(last)
    return takewhile(lambda due: due <= end, job.timing.each_after(from_seconds(after)))


def before(due: datetime) -> datetime:
    """The last instant before, to the microsecond."""
    return due - due.resolution
