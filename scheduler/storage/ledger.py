"""The record of every due instant: ran, skipped or missed, and the reason.

Runs are opened by dispatch's ``commit.lua`` in the same step that sends them; the worker's recorder claims
and closes them here. The end of a run is written once; a later one changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import islice
from typing import NamedTuple

import redis

from scheduler.errors import NotFound
from scheduler.model import Outcome, Reason, Run, read_run_id
from scheduler.model.reasons import explain
from scheduler.settings import Settings
from scheduler.storage.client import Client
from scheduler.storage.health import MAX_SKIPS
from scheduler.storage.instants import EARLIEST_S, LATEST_S
from scheduler.storage.keys import Keys
from scheduler.storage.records import loads, mapping, record
from scheduler.storage.renamed import names_since
from scheduler.storage.scripts import script

UNTAKEN = timedelta(hours=1)  #: how long after its expiry a queued run still counts as waiting in its queue
NO_EXPIRY = timedelta(days=7)  #: the same for a run that never expires
MAX_ATTEMPTS = 3  #: a body whose worker process died so often is not run again
RUNS_PER_READ = 200
MAX_RESULT_CHARS = 4_000  #: characters of a result or traceback that the ledger keeps


class Again(NamedTuple):
    """What sends a run that has its row already."""

    place: str  #: as in a message
    payload: str
    overlap: str
    record: str  #: the row of a new run with the same identity


class Result(NamedTuple):
    """What Celery stores of a task that succeeded, and where."""

    key: str
    value: str
    seconds: int | str  #: for how long it is kept; 0 for ever


NO_RESULT = Result("", "", "")


class Delivery(NamedTuple):
    """A message that a worker has taken, and where Celery notes that: a hash and two sorted sets."""

    tag: str
    places: tuple[str, ...]


NO_DELIVERY = Delivery("", ())


class Ledger:
    """Runs of every schedule, bounded by count and by age."""

    def __init__(self, client: Client, keys: Keys, settings: Settings) -> None:
        self.client = client
        self.keys = keys
        self.settings = settings
        self.limits: list[str | int] = [keys.prefix, settings.keep_runs, int(settings.keep_days * 86_400_000)]
        self.lease = settings.run_lease
        self._claim = script(client, "claim")
        self._close = script(client, "close")
        self._stop = script(client, "stop")
        self._rerun = script(client, "rerun")

    def claim(self, run: Run, worker: str, token: str, *, redelivered: bool = False) -> str:
        """Take a run before its body starts; 'claimed', or the outcome that it has already.

        'forgotten' is a message that is ``redelivered`` after the record of its run was trimmed.

        It is held by a lease of ``settings.run_lease`` seconds, which ``renew`` extends. The same token may claim
        again, so a claim whose answer was lost can be repeated.
        """
        now = time.time()
        arguments = (run.id, now, worker, now + self.lease, run.due, run.task, run.task_id, token, int(redelivered))
        return str(self._claim(args=[*self.limits, *arguments]))

    def renew(self, run_ids: Iterable[str]) -> None:
        """Extend the leases of these running runs."""
        ends = time.time() + self.lease
        leases = dict.fromkeys(run_ids, ends)
        if leases:
            # xx: a run that was given up meanwhile must not get a lease again.
            self.client.zadd(self.keys.leases, leases, xx=True)

    def close(
        self,
        run_id: str,
        outcome: Outcome,
        *,
        token: str = "",
        when: float = 0.0,
        until: float = 0.0,
        unclaimed: bool = False,
        stored: Result = NO_RESULT,
        delivery: Delivery = NO_DELIVERY,
        reason: Reason | None = None,
        detail: str = "",
        **more: object,
    ) -> bool:
        """Write how a run ended; False if it had ended before.

        'queued' means that it will be tried again ``when`` it says, and counts as waiting in its queue ``until`` then
        (epoch seconds); ``error`` ended that attempt. ``token`` is that of the claim, or the name of the worker that
        claimed: a run that another has claimed since is not ended, one given up as lost takes the word of its claim.
        ``unclaimed`` writes it only if no worker runs it, for what became of a message that may be a second delivery.
        In the same step, whatever the ledger says, ``stored`` is written and told to who waits for it, and the message
        of ``delivery`` is acknowledged.
        """
        more = {"finished": time.time()} | more
        if reason is not None:  # a detail that belongs to an earlier reason must not stay beside this one
            more |= {"reason": reason, "detail": detail}
        flat = [part for key, value in more.items() for part in (key, shorten(str(value)))]
        how = (outcome, token, when, until, int(unclaimed))
        arguments = [self.keys.prefix, run_id, *how, *stored, delivery.tag, *flat]
        return bool(self._close(keys=delivery.places, args=arguments))

    def hand_back(self, run_id: str, worker: str) -> bool:
        """Let a running run wait in its queue again; False if it had ended, or another worker has it."""
        now = time.time()
        until = now + NO_EXPIRY.total_seconds()
        return self.close(run_id, "queued", token=worker, when=now, until=until, reason=Reason.HANDED_BACK)

    def stop(self, run_id: str, why: str) -> str:
        """Stop a run: 'done' if no worker ran it, 'asked' if one shall stop it, or the outcome that it had already.

        Raises NotFound.
        """
        answer = self._stop(args=[self.keys.prefix, run_id, time.time(), why])
        if answer is None:
            raise NotFound(f"no run is called {run_id!r}, or it is older than the ledger keeps")
        return str(answer)

    def rerun(self, run_id: str, again: Again, why: str, by: str) -> str:
        """Send a run again that has ended: 'sent', or why not, as rerun.lua says. Raises NotFound."""
        now = time.time()
        until = now + NO_EXPIRY.total_seconds()
        sent = (again.place, again.payload, until, again.overlap, why, by, again.record)
        answer = self._rerun(args=[self.keys.prefix, run_id, now, *sent])
        if answer is None:
            raise NotFound(f"no run is called {run_id!r}, or it is older than the ledger keeps")
        return str(answer)

    def stops(self, run_ids: Sequence[str]) -> dict[str, str]:
        """Those of these runs that a person asked to stop: who and why."""
        answers = self.client.hmget(self.keys.stops, run_ids) if run_ids else []
        return {run_id: why for run_id, why in zip(run_ids, answers, strict=True) if why is not None}

    def get(self, run_id: str) -> Run:
        """The run of that identity; raises NotFound."""
        name, _ = read_run_id(run_id)
        stored = self.client.hget(self.keys.ledger(name), run_id) or self._moved(name, run_id)
        if not stored:
            raise NotFound(f"no run is called {run_id!r}, or it is older than the ledger keeps")
        return read_run(run_id, stored)

    def runs(self, name: str, count: int = 20) -> list[Run]:
        """A schedule's newest runs, newest first."""
        stored = self.client.hgetall(self.keys.ledger(name))
        runs = [read_run(run_id, text, name) for run_id, text in stored.items() if not run_id.startswith(":")]
        return sorted(runs, key=lambda run: run.due, reverse=True)[:count]

    def latest(self, names: Iterable[str]) -> dict[str, Run]:
        """The row that was added last to each of these schedules' ledgers, in two round trips."""
        wanted = list(names)
        with self.client.pipeline(transaction=False) as pipe:
            for name in wanted:
                pipe.hget(self.keys.ledger(name), ":last")
            last = {name: run_id for name, run_id in zip(wanted, pipe.execute(), strict=True) if run_id}
            for name, run_id in last.items():
                pipe.hget(self.keys.ledger(name), run_id)
            rows = zip(last.items(), pipe.execute(), strict=True)
        return {name: read_run(run_id, text, name) for (name, run_id), text in rows if text}

    def between(self, since: float, until: float, limit: int, *, failed: bool = False) -> list[Run]:
        """The rows of all schedules that fell due in ``[since, until]``, newest first; ``failed``: failed or lost.

        Instants are epoch seconds; a stretch of skips is found by its last one. Also rows of schedules that are well
        again, or gone. The cost grows with ``limit``, not with what is stored; storage/health.py bounds the indexes.
        """
        runs: dict[str, Run] = {}  # by id: rows that come in meanwhile move the others on, so one may be read twice
        for step in self.steps(since, until, failed=failed):
            runs |= {run.id: run for run in step if run.went_wrong or not failed}
            if len(runs) >= limit:
                break
        return list(islice(runs.values(), limit))

    def steps(self, since: float, until: float, *, failed: bool = False, skipped: bool = False) -> Iterator[list[Run]]:
        """The same, RUNS_PER_READ at a time, for a reader who stops when it has enough.

        ``failed`` reads the index of what failed or was lost, ``skipped`` that of skips; both may have other rows too.
        """
        index = self.keys.went_wrong if failed else self.keys.skips if skipped else self.keys.runs
        seen = 0  # of those at ``until``: by rank, rows that are trimmed meanwhile would hide as many others
        while step := self._ids(index, since, until, seen):
            last = step[-1][1]
            seen = sum(at == last for _, at in step) + (seen if last == until else 0)
            until = last
            yield list(self._read([run_id for run_id, _ in step]))
        if index == self.keys.skips and self.client.zcard(index) >= MAX_SKIPS:
            yield from self.steps(since, until)  # older skips are in the index of all rows only

    def counts(self, spans: Sequence[tuple[float, float]]) -> list[tuple[int, int]]:
        """How many rows of each span of due instants failed or were lost, and how many were skipped; one round trip.

        A span includes both ends, in epoch seconds. Rows that were removed with their schedule may still count.
        """
        with self.client.pipeline(transaction=False) as pipe:
            for index in (self.keys.went_wrong, self.keys.skips):
                for since, until in spans:
                    pipe.zcount(index, since, until)
            answers = [it if isinstance(it, int) else 0 for it in pipe.execute(raise_on_error=False)]
        return list(zip(answers[: len(spans)], answers[len(spans) :], strict=True))

    def instants_of_failures(self, names: Collection[str], since: float, until: float) -> list[float]:
        """When those rows of these schedules were due that failed or were lost, in epoch seconds; one round trip.

        Reads what the index has in the span, at most MAX_WENT_WRONG ids. A row from before a schedule was renamed has
        its former name.
        """
        try:
            ids = self.client.zrangebyscore(self.keys.went_wrong, since, until, withscores=True)
        except redis.ResponseError as error:
            if not str(error).startswith("WRONGTYPE"):
                raise
            return []  # as ``counts`` has it: the key is another program's
        return [at for run_id, at in ids if run_id.rpartition("@")[0] in names]

    def _ids(self, index: str, since: float, until: float, offset: int) -> list[tuple[str, float]]:
        """The next RUNS_PER_READ ids of an index with their instants, newest first."""
        span = {"start": offset, "num": RUNS_PER_READ}
        ids: list[tuple[str, float]] = self.client.zrevrangebyscore(index, until, since, **span, withscores=True)
        return ids

    def _read(self, run_ids: Sequence[str]) -> Iterator[Run]:
        """Those of these runs that have a row."""
        names = [run_id.rpartition("@")[0] for run_id in run_ids]
        with self.client.pipeline(transaction=False) as pipe:
            for name, run_id in zip(names, run_ids, strict=True):
                pipe.hget(self.keys.ledger(name), run_id)
            texts = pipe.execute(raise_on_error=False)
        for name, run_id, text in zip(names, run_ids, texts, strict=True):
            stored = text if isinstance(text, str) else self._moved(name, run_id)
            if stored:
                yield read_run(run_id, stored, name)

    def _moved(self, name: str, run_id: str) -> str | None:
        """A run whose schedule was renamed since."""
        others = islice(names_since(self.client, self.keys, name), 1, None)
        return next(filter(None, (self.client.hget(self.keys.ledger(it), run_id) for it in others)), None)


def shorten(text: str) -> str:
    """The end of a text that is too long for a row, and its first line, which names the error that it is about."""
    if len(text) <= MAX_RESULT_CHARS:
        return text
    first = text.partition("\n")[0]
    head = f"{first}\n…\n" if len(first) <= MAX_RESULT_CHARS // 4 else ""
    return head + text[len(head) - MAX_RESULT_CHARS :]


def read_run(run_id: str, text: str, schedule: str = "") -> Run:
    """A run from its record, a JSON object of texts; instants are epoch seconds. Never raises: see ``unreadable``."""
    try:
        stored = mapping(loads(text))
        detail = explain(str(stored.get("reason", "")), str(stored.get("detail", "")))
        return record(Run, stored | {"detail": detail, "id": run_id, "schedule": read_run_id(run_id)[0]})
    except (ValueError, TypeError, OverflowError) as error:
        return unreadable(run_id, schedule, error)


def unreadable(run_id: str, schedule: str, error: Exception) -> Run:
    """What is shown of a row that cannot be read: its identity, and why."""
    try:
        name, due = read_run_id(run_id)
    except (ValueError, OverflowError):
        name, due = schedule, 0.0
    why = f"this row of the ledger cannot be read: {' '.join(str(error).split())[:200]}"
    return Run(run_id, name, due if EARLIEST_S <= due <= LATEST_S else 0.0, "unreadable", detail=why)
