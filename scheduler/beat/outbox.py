"""The outbox: runs that were committed in Redis and wait to be published to another broker.

``commit.lua`` puts a run here in the same step that writes it to the ledger. The leader publishes the oldest, waits
until the broker confirms them, and only then removes them. A crash in between publishes a run twice, and its claim
lets it run once.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, NamedTuple

from celery import Celery

from scheduler import faults
from scheduler.events import emit
from scheduler.model import Outcome, Reason, read_run_id
from scheduler.model.reasons import explain
from scheduler.sending.broker import Away, Broker, Refused
from scheduler.sending.headers import RUN_HEADER
from scheduler.sending.message import Call
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.scripts import script

MAX_BATCH = 200  #: runs that are published before the broker must confirm them
MAX_DRAIN_S = 1.0  #: seconds of publishing after which beat looks again at what is due
NOTICE_TTL_S = 60  #: seconds for which the page shows that the broker is away, after each attempt
RETRY_PAUSES_S = (0.5, 1.0, 2.0, 5.0)  #: seconds between attempts while the broker is away


@dataclass(frozen=True)
class Item:
    """One run in the outbox; ``call`` is None where its text cannot be read."""

    text: str
    run: str = ""
    call: Call | None = None
    expires: float = math.inf  #: epoch seconds
    queue: str = ""  #: the broker's queue that has it now, where that is known


class Verdict(NamedTuple):
    """How a run leaves the outbox: 'queued' with the broker, or with an outcome and its reason."""

    outcome: Outcome
    reason: Reason | Literal[""] = ""
    detail: str = ""


PUBLISHED = Verdict("queued")
TOO_LATE = Verdict("skipped", Reason.EXPIRED)
UNREADABLE = Verdict("failed", Reason.UNSENDABLE, "its text in the outbox cannot be read")


class Outbox:
    """Publishes what waits; only the leader has one."""

    def __init__(self, app: Celery, client: Client, keys: Keys) -> None:
        self.client = client
        self.keys = keys
        self.broker = Broker(app)
        self._take_out = script(client, "outbox")
        self._failures = 0
        self._away_since = 0.0
        self._again_at = 0.0
        self._at_once = MAX_BATCH
        self._is_empty = True

    @property
    def wait(self) -> float:
        """Seconds until it is worth draining again, unless something new is announced."""
        return math.inf if self._is_empty else max(self._again_at - time.monotonic(), 0.0)

    def drain(self, token: str) -> bool:
        """Publish what waits, oldest first, for MAX_DRAIN_S seconds at most; False when the lock is another's."""
        ends = time.monotonic() + MAX_DRAIN_S
        self._at_once = 1 if self._failures else MAX_BATCH
        while (waiting := self.oldest()) and time.monotonic() < ends:
            settled, verdict = unfit(waiting)
            if not settled and time.monotonic() < self._again_at:
                break
            if not settled:
                settled, verdict = self.attempt(waiting[: self._at_once])
            if settled and not self.take_out(settled, verdict, token):
                return False
        self._is_empty = not waiting
        if self._is_empty:
            self.broker.rest()
        return True

    def attempt(self, items: list[Item]) -> tuple[list[Item], Verdict]:
        """Publish these; returns them with their verdict, or none of them where it must be tried again."""
        faults.reach("outbox.before_publish")
        try:
            published = self.publish(items)
            faults.reach("outbox.after_publish")
            return published, PUBLISHED
        except Away as error:
            self.pause(error)
        except Refused as error:
            if len(items) > 1:
                self._at_once = 1  # one of them is to blame
            elif error.passes:
                self.pause(error)
            else:
                return items, Verdict("failed", Reason.UNSENDABLE, str(error))
        return [], PUBLISHED

    def oldest(self) -> list[Item]:
        """The next MAX_BATCH items, oldest first."""
        return [read(text) for text in reversed(self.client.lrange(self.keys.outbox, -MAX_BATCH, -1))]

    def publish(self, items: Sequence[Item]) -> list[Item]:
        """Publish these to the broker; returns them with the queue of each. Raises Away or Refused."""
        queues = self.broker.publish([item.call for item in items if item.call is not None])
        if self._failures:
            emit("broker.back", seconds=time.monotonic() - self._away_since)
            self.client.delete(self.keys.notice("broker"))
        self._failures = 0
        return [replace(item, queue=queue) for item, queue in zip(items, queues, strict=True)]

    def pause(self, error: Exception) -> None:
        """Put off the next attempt, for longer after each failure; the notice is for ``status``."""
        if not self._failures:
            self._away_since = time.monotonic()
            emit("broker.away", error=error)
        waiting = self.client.llen(self.keys.outbox)
        notice = f"The broker does not answer ({error}); runs that wait for it: {waiting}"
        self.client.set(self.keys.notice("broker"), notice, ex=NOTICE_TTL_S)
        self._again_at = time.monotonic() + RETRY_PAUSES_S[min(self._failures, len(RETRY_PAUSES_S) - 1)]
        self._failures += 1

    def take_out(self, items: Sequence[Item], verdict: Verdict, token: str) -> bool:
        """Remove these and write their outcome to the ledger, in one step; False when another beat has the lock."""
        arguments: list[str | float] = [token, time.time(), self.keys.prefix, *verdict]
        for item in items:
            arguments += [item.text, item.run, item.queue]
        answer = self._take_out(keys=[self.keys.lock, self.keys.outbox], args=arguments)
        faults.reach("outbox.after_take_out")
        if answer is None:
            return False
        for item in items:
            tell(item, verdict)
        return True


def read(text: str) -> Item:
    """An item from its text, which is the JSON of a Call."""
    try:
        call = Call(**json.loads(text))
        run = str(call.options["headers"][RUN_HEADER])
        read_run_id(run)
    except (ValueError, TypeError, KeyError):
        return Item(text)
    expires = math.inf
    with suppress(ValueError, TypeError):  # an entry of RedBeat's may say it in a way that only Celery reads
        expires = datetime.fromisoformat(call.options["expires"]).timestamp() if "expires" in call.options else expires
    return Item(text, run, call, expires)


def unfit(items: list[Item]) -> tuple[list[Item], Verdict]:
    """Those of the items that are not to be published, all for one reason."""
    if late := [item for item in items if item.expires <= time.time()]:
        return late, TOO_LATE
    return [item for item in items if item.call is None], UNREADABLE


def tell(item: Item, verdict: Verdict) -> None:
    """Log what became of an item."""
    if verdict.outcome == "queued" and item.call is not None:
        emit("run.sent", run=item.run, queue=item.call.options.get("queue", "its queue"))
    elif verdict.outcome == "skipped":
        emit("run.skipped", schedule=read_run_id(item.run)[0], count=1, reason=explain(verdict.reason, verdict.detail))
    else:
        emit("run.refused", run=item.run or item.text[:80], error=verdict.detail)
