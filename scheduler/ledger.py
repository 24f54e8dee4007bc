"""The record of every due instant: ran, skipped or missed, and the reason.

Runs are opened by dispatch's ``commit.lua`` in the same step that sends them; the worker's recorder claims
and closes them here. An end is written once: what comes later for the same run changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import fields
from datetime import timedelta
from typing import Any

from scheduler.errors import NotFound
from scheduler.model import Outcome, Run, read_run_id
from scheduler.redis_client import Client, Keys, hashes, script
from scheduler.settings import Settings

LEASE = 30.0  #: seconds for which a worker answers for a run without renewing
UNTAKEN = timedelta(hours=1)  #: how long after its expiry a queued run still counts as waiting in its queue
SHOWN_RESULT = 4_000  #: characters of a result or traceback that the ledger keeps
NUMBERS = {name.name: name.type for name in fields(Run) if name.type in ("float", "int", "bool")}


class Ledger:
    """Runs of every schedule, bounded by count and by age."""

    def __init__(self, client: Client, keys: Keys, settings: Settings) -> None:
        self.client = client
        self.keys = keys
        self.limits: list[str | int] = [keys.prefix, settings.keep_runs, int(settings.keep_days * 86_400_000)]
        self._claim = script(client, "claim")
        self._close = script(client, "close")

    def claim(self, run: Run, worker: str, token: str) -> str:
        """Take a run before its body starts; 'claimed', or the outcome that it has already.

        It is held by a lease of LEASE seconds, which ``renew`` extends. The same token may claim again, so a claim
        whose answer was lost can be repeated.
        """
        now = time.time()
        what = (run.id, run.schedule, now, worker, now + LEASE, run.due, run.task, run.task_id, token)
        return str(self._claim(args=[*self.limits, *what]))

    def renew(self, run_ids: Iterable[str]) -> None:
        """Answer for these running runs for another lease."""
        ends = time.time() + LEASE
        leases = dict.fromkeys(run_ids, ends)
        if leases:
            self.client.zadd(self.keys.leases, leases, xx=True)

    def close(self, run_id: str, outcome: Outcome, *, token: str = "", until: float = 0.0, **details: object) -> bool:
        """Write how a run ended; False if it had ended before.

        'queued' means that it will be tried again, and waits in its queue ``until`` then (epoch seconds). A run that
        was given up as lost takes the word of the worker whose claim had this token.
        """
        details.setdefault("finished", time.time() if outcome != "queued" else 0)
        shown = {key: str(value)[-SHOWN_RESULT:] for key, value in details.items()}
        flat = [part for pair in shown.items() for part in pair]
        schedule, _ = read_run_id(run_id)
        return bool(self._close(args=[*self.limits, run_id, schedule, outcome, token, until, *flat]))

    def get(self, run_id: str) -> Run:
        """The run of that identity; raises NotFound."""
        stored = self.client.hgetall(self.keys.run(run_id))
        if not stored:
            raise NotFound(f"no run is called {run_id!r}, or it is older than the ledger keeps")
        return read_run(run_id, stored)

    def runs(self, name: str, count: int = 20) -> list[Run]:
        """A schedule's newest runs, newest first."""
        return self._read(self.client.zrevrange(self.keys.ledger(name), 0, count - 1))

    def latest(self, names: Iterable[str], count: int = 1) -> dict[str, list[Run]]:
        """The newest runs of several schedules, in two round trips."""
        wanted = list(names)
        with self.client.pipeline(transaction=False) as pipe:
            for name in wanted:
                pipe.zrevrange(self.keys.ledger(name), 0, count - 1)
            ids: list[list[str]] = pipe.execute()
        found = {run.id: run for run in self._read([run_id for some in ids for run_id in some])}
        return {name: [found[i] for i in some if i in found] for name, some in zip(wanted, ids, strict=True)}

    def _read(self, ids: list[str]) -> list[Run]:
        found = hashes(self.client, map(self.keys.run, ids))
        return [read_run(run_id, stored) for run_id, stored in zip(ids, found, strict=True) if stored]


def read_run(run_id: str, stored: dict[str, str]) -> Run:
    """A run from its hash; instants are stored as epoch seconds."""
    known: dict[str, Any] = {}
    for name, text in stored.items():
        kind = NUMBERS.get(name)
        if kind == "float":
            known[name] = float(text or 0)
        elif kind == "int":
            known[name] = int(text or 0)
        elif kind == "bool":
            known[name] = text == "1"
        elif name in Run.__dataclass_fields__:
            known[name] = text
    return Run(id=run_id, **known)
