"""The beat: a RedBeatScheduler whose tick loses nothing.

``celery -A scheduler.celeryapp beat`` makes one. Each tick sends what is due in atomic batches while this beat
leads, and waits as a standby while another does. It sleeps inside the tick, listening for changes.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from celery import Celery
from redbeat.schedulers import RedBeatScheduler

from scheduler.beat.followed_file import FollowedFile
from scheduler.beat.lease import Lease
from scheduler.beat.lost_runs import Vanished
from scheduler.beat.outbox import Outbox
from scheduler.beat.roster import Roster
from scheduler.beat.safekeeping import Safekeeping
from scheduler.beat.sender import BATCH, Sender
from scheduler.beat.wall_clock import WallClock
from scheduler.errors import ConfigurationError, Conflict, Exit
from scheduler.events import emit
from scheduler.process import notify
from scheduler.process.stop import Stop
from scheduler.sending.decide import after_set_back
from scheduler.sending.dispatch import Dispatcher
from scheduler.settings import Settings
from scheduler.storage import entries
from scheduler.storage.client import AWAY, REFUSED, PubSub, connect, refuse_unfit
from scheduler.storage.entries import DamagedEntry
from scheduler.storage.instants import from_seconds
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.storage.lock import LostLock, holder, last_led
from scheduler.storage.store import Store, Write

GLANCE = 1.0  #: seconds between two looks for changes by other programs
LOOK = 0.25  #: seconds between two looks at the schedule file while nothing is due
ENOUGH = 5.0  #: seconds of sending after which beat looks at everything else, although something is due all the time
REMINDER = 25.0  #: seconds after which a standby says again that it stands by
PATIENCE = (0.5, 1.0, 2.0)  #: seconds between attempts while Redis is away


class Scheduler(RedBeatScheduler):
    """Celery Beat's scheduler over RedBeat's keys."""

    def __init__(self, app: Celery, **options: Any) -> None:
        self.settings: Settings = app.scheduler_settings
        self.keys = Keys(self.settings.key_prefix)
        self.lease = Lease(self.settings)
        self.leads = False
        self.client = connect(self.settings)
        self.store = Store(self.client, self.keys)
        ledger = Ledger(self.client, self.keys, self.settings)
        self.vanished = Vanished(app, self.store, ledger)
        self.outbox = Outbox(app, self.client, self.keys)
        self.pubsub: PubSub | None = None
        self.stop = Stop()
        self.safe = Safekeeping(self.store, self.settings)
        self.file = FollowedFile(app, self.store, self.lease, self.safe)
        dispatcher = Dispatcher(app, self.client, self.keys, self.settings)
        self.sender = Sender(dispatcher, Roster(self.store), self.lease, self.safe)
        self.clock = WallClock(self.client, self.keys)
        self.giving_way_since = 0.0
        self.checked = False
        self.looked = 0.0
        self.failures = 0
        self.silent_since = 0.0
        self.announced = ""
        self.announced_at = 0.0
        super().__init__(app, **options)
        self.lock_key = None  # RedBeat's own beat_init handler would block until the lock is free

    def setup_schedule(self) -> None:
        """Nothing is written before this beat leads; see ``lead``."""

    @property
    def info(self) -> str:
        """Two lines of Celery's start-up banner."""
        return f"       . redis -> {self.settings.shown_redis_url}\n       . file -> {self.settings.file}"

    def tick(self, *_: Any, **__: Any) -> float:
        """Do what is due, then wait for the next due instant, a change, or the end of the loop interval.

        Raises SystemExit when this process is asked to stop.
        """
        self.stop.check()
        try:
            self.check_redis()
            if self.stop.asked_to_reload:
                self.stop.asked_to_reload = False
                self.file.forget()
                self.file.reload.begin()
            wait = self.lead() if self.is_leading() else self.stand_by()
            self.back()
            self.listen(wait)
        except (*AWAY, *REFUSED) as error:
            self.wait_for_redis(error)
        except LostLock:
            self.demote()
        return 0.0

    # leading and standing by

    def is_leading(self) -> bool:
        """Hold on to the lock, or try once to take it."""
        if self.leads and not self.lease.held:
            self.demote()
        if not self.lease.held:
            seen = last_led(self.client, self.keys)
            if not self.gives_way(seen) and self.lease.campaign(self.client):
                led_until = from_seconds(seen) if seen else self.safe.sent_all
                self.sender.away = (led_until or from_seconds(0.0), from_seconds(time.time()))
                self.safe.begin(led_until)
                self.clock.begin(seen)
                self.promote()
        self.lease.progress()
        return self.lease.held

    def gives_way(self, seen: float | None) -> bool:
        """After a loss of everything, the beat that led should lead again: it knows what was lost."""
        if seen is not None or not self.announced:
            self.giving_way_since = 0.0
            return False
        self.giving_way_since = self.giving_way_since or time.monotonic()
        return time.monotonic() - self.giving_way_since < self.lease.seconds

    def promote(self) -> None:
        self.leads = True
        self.giving_way_since = 0.0
        self.sender.forget()
        self.file.forget()
        self.announced = ""
        emit("beat.leader", lock=self.keys.lock, lease=self.lease.seconds)

    def demote(self) -> None:
        self.leads = self.lease.held = False
        emit("beat.lost_lock")

    def stand_by(self) -> float:
        """Say who leads; returns the seconds until it is worth trying again."""
        self.safe.forget_sent()
        leader = holder(self.client, self.keys)
        self.client.zadd(self.keys.standbys, {self.lease.name: time.time()})
        self.client.expire(self.keys.standbys, 60)
        if leader is None:
            notify.waiting("standby: nobody leads, and the beat that led before goes first")
            return GLANCE if self.giving_way_since else 0.0
        self.file.compare()
        notify.ready(f"standby: {leader.name} leads")
        if self.announced != leader.name or time.monotonic() - self.announced_at >= REMINDER:
            self.announced, self.announced_at = leader.name, time.monotonic()
            emit("beat.standby", holder=leader.name, remaining=leader.remaining)
        return float(min(max(leader.remaining, 0.05), self.max_interval, 30.0 - REMINDER))

    def check_redis(self) -> None:
        """End this process if its Redis would lose schedules; looked at once, as soon as it answers."""
        if self.checked:
            return
        try:
            refuse_unfit(self.client, self.settings)
        except ConfigurationError as error:
            emit("beat.unfit", error=error)
            raise SystemExit(int(error.exit_code)) from None
        self.checked = True
        if self.settings.place.is_open:
            emit("redis.open", url=self.settings.shown_redis_url)

    def wait_for_redis(self, error: Exception) -> None:
        if not self.failures:
            self.silent_since = time.monotonic()
            emit("beat.redis_refuses" if isinstance(error, REFUSED) else "beat.redis_away", error=error)
        later = f"Redis does not answer, and the file is loaded when it is back: {error}"
        self.file.reload.end(Exit.UNAVAILABLE, later)
        notify.waiting(f"waiting for Redis since {time.monotonic() - self.silent_since:.0f} s: {error}")
        self.stop_listening()
        self.vanished.wait_anew()
        self.sender.forget()  # a replica that took over may know less, and count other changes with the same numbers
        with self.stop.waiting():
            time.sleep(PATIENCE[min(self.failures, len(PATIENCE) - 1)])
        self.failures += 1

    def back(self) -> None:
        if self.failures:
            emit("beat.redis_back", seconds=time.monotonic() - self.silent_since)
        self.failures = 0

    # what is due

    def lead(self) -> float:
        """Load the file if it changed, send what is due; returns the seconds until the next due instant."""
        begun = from_seconds(time.time())
        self.mend()
        self.clock.look()
        if self.clock.is_set_back:
            self.plan_anew()
        self.file.load()
        self.deliver()
        enough, more = time.monotonic() + ENOUGH, True
        while more and time.monotonic() < enough:
            more = self.sender.send(self.clock.ahead)
            self.deliver()
        self.safe.sent(begun, everything=not more and not self.safe.missing)
        self.look_around()
        self.safe.keep()
        if not self.vanished.settle(self.lease.token):
            raise LostLock
        return self.until_next()

    def plan_anew(self) -> None:
        """After the clock was set back, let what was not sent fall due when its time comes."""
        self.safe.forget_sent()
        now = from_seconds(time.time())
        writes = []
        for before in self.store.all().values():
            with suppress(DamagedEntry):
                after = after_set_back(before, entries.job(before), now, self.clock.ahead)
                writes += [] if after is None else [Write(before.name, before, after)]
        try:
            for start in range(0, len(writes), BATCH):
                self.store.write(writes[start : start + BATCH], token=self.lease.token)
                self.lease.progress()
            self.clock.is_set_back = False
        except Conflict:  # what somebody changed meanwhile is looked at again in the next tick
            self.lease.hold_on(self.client)

    def mend(self) -> None:
        """Put back what Redis lost; the file is loaded again to put back the rest."""
        try:
            self.file.fall_due_after = self.safe.mend(self.lease.token) or self.file.fall_due_after
        except Conflict:
            raise LostLock from None
        if self.file.fall_due_after:
            self.sender.forget()
            self.file.forget()

    def until_next(self) -> float:
        with self.client.pipeline(transaction=False) as pipe:
            pipe.zrangebyscore(self.keys.schedule, 0, "+inf", start=0, num=1, withscores=True)
            pipe.zcard(self.keys.schedule)
            self.safe.ask(pipe)
            first, count, *answers = pipe.execute()
        upcoming = (first[0][0].removeprefix(self.keys.prefix), first[0][1]) if first else None
        sentence = notify.leading(self.lease.since, count, upcoming, time.time())
        if self.file.wrong:
            sentence = f"{self.file.path.name} is wrong, kept the last good: {sentence} · {self.file.wrong}"
        notify.ready(sentence)
        if not self.safe.hear(*answers):
            return 0.0
        rest = first[0][1] - time.time() if first else self.max_interval
        return float(min(max(rest, 0.0), self.outbox.wait, self.max_interval))

    def deliver(self) -> None:
        """Hand what waits in the outbox to its broker."""
        if not self.outbox.drain(self.lease.token):
            raise LostLock

    def look_around(self) -> None:
        if time.monotonic() - self.looked >= GLANCE:
            self.looked = time.monotonic()
            self.sender.look_around()

    # waiting

    def listen(self, seconds: float) -> None:
        """Wait until a change is announced, the schedule file changes, or the time is over."""
        if self.pubsub is None:
            self.pubsub = self.client.pubsub(ignore_subscribe_messages=True)
            self.pubsub.subscribe(self.keys.wake)
            self.pubsub.get_message(timeout=1.0)
            return  # a change may have been announced before we listened
        deadline = time.monotonic() + seconds
        while (rest := deadline - time.monotonic()) > 0:
            with self.stop.waiting():
                heard = self.pubsub.get_message(timeout=min(rest, LOOK))
            if heard is not None or self.stop.asked_to_reload:
                return
            if self.leads and (not self.lease.held or self.file.has_changed(peek=True)):
                return

    def stop_listening(self) -> None:
        if self.pubsub is not None:
            self.pubsub.close()
            self.pubsub = None

    def close(self) -> None:
        """Free the lock, through a connection of its own: a command may have been cut off in the other."""
        self.outbox.broker.drop()
        if self.lease.held:
            try:
                with connect(self.settings) as client:
                    self.lease.release(client)
            except AWAY:
                return
            emit("beat.stopped")
