"""A beat that waits for the lock: it changes no key but its own status."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime

from scheduler.beat.context import Context
from scheduler.beat.leader_life import LeaderLife
from scheduler.events import emit
from scheduler.process import notify
from scheduler.sending.decide import Leaderless
from scheduler.storage.instants import EPOCH, from_seconds
from scheduler.storage.lock import holder, last_led

RETRY_INTERVAL_S = 1.0  #: seconds between two attempts while the beat that led before goes first
REMINDER_INTERVAL_S = 25.0  #: seconds after which a standby says again that it stands by
STATUS_TTL_S = 60  #: seconds for which Redis keeps the status of a standby that disappeared


@dataclass(frozen=True)
class Takeover:
    """This beat took the lock, at an instant of its wall clock."""

    at: datetime
    last_led: float | None  #: when a beat led last, in epoch seconds, as far as Redis knows
    led_until: datetime | None  #: the same, as far as Redis or this beat itself knows
    was_leader: bool = False  #: whether this beat led then

    @property
    def leaderless(self) -> Leaderless:
        """The interval before, in which no beat led."""
        return Leaderless(self.led_until or EPOCH, self.at, not self.was_leader)


class StandingBy:
    """From the start, or from the loss of the lock, until this beat takes the lock."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.announced = ""  #: the leader that was logged last
        self.announced_at = 0.0
        self.giving_way_since = 0.0
        self.life = LeaderLife(context.client, context.keys)
        self.dead = ""  #: the token of a leader that has died

    def campaign(self) -> Takeover | None:
        """Try once to take the lock."""
        context = self.context
        seen = last_led(context.client, context.keys)
        context.watch.rules_text = context.client.hget(context.keys.file, "alerts") or ""
        if self._gives_way(seen) or not context.lease.campaign(context.client, self.dead):
            return None
        context.client.zrem(context.keys.standbys, context.lease.name)
        # Where Redis lost its data, or has older data, a beat that led before still knows itself what it sent.
        known = [from_seconds(seen)] if seen else []
        known += [context.memory.sent_all] if context.memory.sent_all else []
        was_leader = context.memory.sent_all is not None
        return Takeover(from_seconds(time.time()), seen, max(known, default=None), was_leader)

    def tick(self) -> float:
        """Say who leads; returns the seconds until it is worth trying again."""
        context = self.context
        context.memory.forget_sent()
        context.memory.commits = 0  # the leader's own are counted on top
        leader = holder(context.client, context.keys)
        context.client.zadd(context.keys.standbys, {context.lease.name: time.time()})
        context.client.expire(context.keys.standbys, STATUS_TTL_S)
        if leader is None:
            notify.waiting("standby: no beat leads, and the beat that led before goes first")
            context.watch.look("it waits for the beat that led before Redis lost its data")
            return RETRY_INTERVAL_S if self.giving_way_since else 0.0
        if self.life.has_ended(leader):
            self.dead = leader.token
            emit("beat.leader_died", holder=leader.name)
            return 0.0
        context.watch.led()
        context.file.compare()
        notify.ready(f"standby: {leader.name} leads")
        if self.announced != leader.name or time.monotonic() - self.announced_at >= REMINDER_INTERVAL_S:
            self.announced, self.announced_at = leader.name, time.monotonic()
            emit("beat.standby", holder=leader.name, remaining=leader.remaining)
        return min(max(self.life.until_news(leader), 0.05), 30.0 - REMINDER_INTERVAL_S)

    def is_interrupted(self) -> bool:
        """Whether there is a reason to end the wait early; a freed lock is announced by itself."""
        return False

    def longest_wait(self, interval: float) -> float:
        """Seconds between two ticks at most; ``interval`` is what the settings say."""
        return interval

    def redis_was_away(self) -> None:
        """What this beat saw of the leader is no longer true; all else it asks for in each tick."""
        self.life.forget()

    def close(self) -> None:
        """Nothing to give back."""

    def _gives_way(self, seen: float | None) -> bool:
        """After a loss of all data, the beat that led should lead again: it knows what was lost."""
        if seen is not None or not self.announced:
            self.giving_way_since = 0.0
            return False
        self.giving_way_since = self.giving_way_since or time.monotonic()
        return time.monotonic() - self.giving_way_since < self.context.lease.seconds
