"""The scheduler that Celery starts for ``celery -A scheduler.celeryapp beat``: its tick loses nothing.

At any time a beat either leads (``leading.py``) or stands by (``standing_by.py``). It sleeps inside the tick, listening
for changes.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from celery import Celery
from redbeat.schedulers import RedBeatScheduler
from redis import ResponseError

from scheduler.beat.context import Context
from scheduler.beat.leading import Leading
from scheduler.beat.listener import Listener
from scheduler.beat.loss_detector import LOSS_SHOWN_S
from scheduler.beat.outage import Outage
from scheduler.beat.standing_by import StandingBy, Takeover
from scheduler.errors import ConfigurationError, Exit
from scheduler.events import emit
from scheduler.process import notify
from scheduler.process.stop import Stop
from scheduler.storage.client import AWAY, REFUSED, connect, refuse_unfit
from scheduler.storage.kinds import set_aside_other_kinds
from scheduler.storage.lock import LostLock
from scheduler.storage.refusals import sentence

RELEASE_ATTEMPTS = 2  #: a Redis that hangs, as one on a slow disk does, is asked once more to free the lock


class Scheduler(RedBeatScheduler):
    """Celery Beat's scheduler over RedBeat's keys: what Celery calls, and the change between the two roles."""

    def __init__(self, app: Celery, **options: Any) -> None:
        self.context = Context.of(app)
        self.settings, self.client = self.context.settings, self.context.client
        self.lease, self.file = self.context.lease, self.context.file
        self.role: Leading | StandingBy = StandingBy(self.context)
        self.stop = Stop()
        self.listener = Listener(self.client, self.context.keys, self.stop, self.lease.token)
        self.outage = Outage(self.stop, self.settings)
        self.is_checked = False
        super().__init__(app, **options)
        self.lock_key = None  # RedBeat's own beat_init handler would block until the lock is free

    def setup_schedule(self) -> None:
        """Nothing is written before this beat leads."""

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
            self.begin_reload()
            role = self.take_role()
            wait = role.tick()
            self.outage.end()
            longest = role.longest_wait(self.max_interval)
            self.listener.listen(min(wait, longest), role.is_interrupted, with_index=isinstance(role, Leading))
        except (*AWAY, *REFUSED) as error:
            self.wait_for_redis(error)
        except ResponseError:
            if not self.set_aside_other_kinds(everywhere=True):
                raise
        except LostLock:
            self.demote()
        return 0.0

    def close(self) -> None:
        """Free the lock, through a connection of its own: a command may have been cut off in the other."""
        self.role.close()
        notify.tell(notify.status("stopped"))
        if not self.lease.held:
            return
        for _ in range(RELEASE_ATTEMPTS):
            with suppress(*AWAY), connect(self.settings) as client:
                self.lease.release(client)
                emit("beat.stopped")
                return

    # the change of roles

    def take_role(self) -> Leading | StandingBy:
        """Keep the lock, or try once to take it; what this beat does until the next tick."""
        if isinstance(self.role, Leading) and not self.lease.held:
            self.demote()
        if isinstance(self.role, StandingBy) and (takeover := self.role.campaign()):
            self.promote(takeover)
        self.lease.progress()
        return self.role

    def promote(self, takeover: Takeover) -> None:
        """This beat took the lock."""
        self.set_aside_other_kinds(everywhere=False)
        self.listener.close()  # a leader listens to more
        self.role = Leading(self.context, takeover, self.listener)
        self.file.forget()
        emit("beat.leader", lock=self.context.keys.lock, lease=self.lease.seconds)

    def demote(self) -> None:
        """This beat lost the lock."""
        self.role.close()
        self.listener.close()
        self.role = StandingBy(self.context)
        self.lease.held = False
        emit("beat.lost_lock")

    # a Redis that is away, unfit, or has keys of other programs in the place of ours

    def set_aside_other_kinds(self, *, everywhere: bool) -> bool:
        """Set aside keys that another program wrote in our places; False where there are none."""
        keys, store = self.context.keys, self.context.store
        others = set_aside_other_kinds(self.client, keys, everywhere=everywhere)
        for problem in others.values():
            emit("store.other_kind", problem=problem)
            self.client.set(keys.notice("kind"), problem, ex=LOSS_SHOWN_S)
        if keys.schedule in others:
            store.reindex()
        if others:
            if isinstance(self.role, Leading):
                self.role.indexes.begin_again()
            self.client.delete(keys.indexed)  # what an index has lost, its rebuild brings back
        return bool(others)

    def check_redis(self) -> None:
        """End this process if its Redis would lose schedules; looked at once, as soon as it answers."""
        if self.is_checked:
            return
        try:
            refuse_unfit(self.client.info(), self.settings)
        except ConfigurationError as error:
            emit("beat.unfit", error=error)
            raise SystemExit(int(error.exit_code)) from None
        self.is_checked = True
        if self.settings.place.is_open:
            emit("redis.open", url=self.settings.shown_redis_url)

    def wait_for_redis(self, error: Exception) -> None:
        """Answer who asked for a reload, forget what may be outdated, and pause."""
        later = f"The file is loaded when Redis can be used again. {sentence(error, self.settings)}"
        self.file.reload.end(Exit.UNAVAILABLE, later)
        self.listener.close()
        self.role.redis_was_away()
        self.context.watch.look(sentence(error, self.settings))
        self.outage.wait(error)

    def begin_reload(self) -> None:
        """Load the file in this tick, although it looks unchanged, if SIGHUP asked for that."""
        if self.stop.asked_to_reload:
            self.stop.asked_to_reload = False
            self.file.forget()
            self.file.reload.begin()
