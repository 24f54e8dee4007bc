"""A beat that holds the lock: it follows the schedule file, sends what is due, and mends what was lost."""

from __future__ import annotations

import math
import time
from functools import cached_property

from scheduler.beat.alerts import Alerts
from scheduler.beat.backfills import BackfillSender
from scheduler.beat.context import Context
from scheduler.beat.indexes import Indexes
from scheduler.beat.listener import Listener
from scheduler.beat.loss_detector import LossDetector, Mended
from scheduler.beat.lost_runs import LostRuns
from scheduler.beat.outbox import Outbox
from scheduler.beat.outside import LOOK_INTERVAL_S, Outside
from scheduler.beat.replan import replan
from scheduler.beat.roster import Roster
from scheduler.beat.sender import Sender
from scheduler.beat.standing_by import Takeover
from scheduler.beat.wall_clock import WallClock
from scheduler.beat.zone_rules import ZoneRules
from scheduler.errors import Conflict
from scheduler.process import notify
from scheduler.sending.dispatch import Dispatcher, OlderData
from scheduler.sending.followers import Followers
from scheduler.sending.later import Later
from scheduler.storage import groups
from scheduler.storage.client import take_a_write
from scheduler.storage.instants import from_seconds
from scheduler.storage.ledger import Ledger
from scheduler.storage.lock import LostLock

GROUPS_INTERVAL_S = 5.0  #: seconds between two looks after groups, which look after themselves but for older releases
PROBE_INTERVAL_S = 1.0  #: seconds between two writes that show whether Redis takes any
QUIET_INTERVAL_S = 20.0  #: seconds between two ticks at most while nothing is under way, and Redis tells of changes
MAX_SENDING_S = 5.0  #: seconds of sending after which beat looks at everything else, although more is due


class Leading:
    """One term as leader. It exists only after the lock was taken, and its owner drops it when the lock is lost."""

    def __init__(self, context: Context, takeover: Takeover, listener: Listener) -> None:
        app, client, keys, settings = context.app, context.client, context.keys, context.settings
        self.context = context
        self.takeover = takeover
        self.listener = listener
        self.losses = LossDetector(context.store, context.backup, context.memory)
        roster, dispatcher = Roster(context.store), Dispatcher(app, client, keys, settings)
        self.zone_rules = ZoneRules(context, roster, takeover)
        keep = self.zone_rules.keep
        self.sender = Sender(dispatcher, roster, context.lease, self.losses, takeover.leaderless, keep)
        self.backfills = BackfillSender(dispatcher, context.store, context.lease, self.losses)
        self.followers = Followers(dispatcher, context.store)
        self.later = Later(dispatcher, context.store, Ledger(client, keys, settings))
        self.outbox = Outbox(app, client, keys)
        elsewhere = self.outbox.broker if settings.has_outbox else None
        ledger = Ledger(client, keys, settings)
        self.lost_runs = LostRuns(app, context.store, ledger, context.memory, elsewhere)
        self.outside = Outside(listener, self.sender, context.memory)
        self.probed_at = self.groups_at = 0.0
        self.is_busy = True  #: whether runs are under way, or on their way
        self.is_away = False  #: whether Redis was away, or refused, and has taken no write since
        self.indexes = Indexes(client, keys)
        self.alerts = Alerts(settings, keys, context.lease.token)
        self.alerts.tells_gap = context.watch.told is None
        self.has_begun = False
        # Of what fell due before, this beat sends nothing but what catch_up says.
        context.memory.note_sent(takeover.led_until or context.memory.sent_all or takeover.at, everything=True)

    @cached_property
    def clock(self) -> WallClock:
        """Made in the first tick that reaches Redis."""
        return WallClock(self.context.client, self.context.keys, self.takeover.last_led)

    def tick(self) -> float:
        """Load the file if it changed, send what is due; returns the seconds until the next due instant.

        Raises LostLock, or what redis-py raises while Redis is away.
        """
        began = from_seconds(time.time())
        self.context.lease.has_failed = False
        self.is_busy = self.has_work()
        self.indexes.keep()
        mended = self.mend()
        self.follow_clock()
        self.zone_rules.follow()
        self.load_file()
        self.deliver()
        try:
            is_done = self.send()
            more_to_fill = self.backfills.send()
        except OlderData:
            self.losses.has_older_data = True
            return 0.0
        self.outside.look()
        self.probe()
        self.look_after_groups()
        self.losses.missing |= self.context.backup.update(spare=self.losses.missing)
        if self.is_busy and not self.lost_runs.settle(self.context.lease.token):
            raise LostLock
        wait, has_all = self.until_next(mended)
        if has_all:  # if not, Redis may have lost what was due before it was asked, and this tick sent nothing of it
            until = self.sender.round_began if is_done else began  # in the last round, nothing was due any more
            self.context.memory.note_sent(until, everything=is_done)
        return 0.0 if more_to_fill or self.sender.passes else wait

    def is_interrupted(self) -> bool:
        """Whether there is a reason to end the wait early."""
        lease, file = self.context.lease, self.context.file
        has_news = bool(self.listener.index) or lease.has_failed or self.clock.was_set()
        return has_news or not lease.held or file.has_changed(peek=True)

    def longest_wait(self, interval: float) -> float:
        """Seconds between two ticks at most; ``interval`` is what the settings say."""
        if not self.listener.hears_index:
            return min(interval, LOOK_INTERVAL_S)
        file, backup = self.context.file, self.context.backup
        has_rest = self.is_busy or file.wrong or backup.changed or backup.is_unwritten
        is_quiet = self.outside.is_told and not has_rest
        return max(interval, QUIET_INTERVAL_S) if is_quiet else interval

    def has_work(self) -> bool:
        """Whether runs are under way or on their way; who makes the first one announces it."""
        keys = self.context.keys
        work = (keys.outbox, keys.followers, keys.open_backfills, keys.leases, keys.queues)
        return self.context.settings.has_outbox or bool(self.context.client.exists(*work))

    def redis_was_away(self) -> None:
        """Count no time in which no worker could renew, and read everything again."""
        if not self.is_away:  # from here on, its lease says nothing: a full Redis still renews that
            self.context.watch.led_until(self.context.lease.renewed_at)
        self.is_away = True
        self.lost_runs.wait_again()
        self.sender.forget()  # a replica that took over may know less, and count other changes with the same numbers

    def close(self) -> None:
        """Give up the connection to another broker, and end a rebuild of the indexes and the alerts."""
        self.alerts.close()
        self.indexes.close()
        self.outbox.broker.drop()

    def mend(self) -> Mended:
        """Put back what Redis lost; the file is loaded again to put back the rest."""
        file = self.context.file
        try:
            mended = self.losses.mend(self.context.lease.token)
        except Conflict:
            raise LostLock from None
        file.fall_due_after = mended.fall_due_after or file.fall_due_after
        if file.fall_due_after:
            self.sender.forget()
            file.forget()
        return mended

    def follow_clock(self) -> None:
        """After the clock was set back, let what was not sent fall due when its time comes."""
        self.clock.look()
        if self.clock.is_set_back:
            self.context.memory.forget_sent()
            self.sender.withdrawal.begin()
            self.clock.is_set_back = not replan(self.context, self.clock.still_ahead)

    def load_file(self) -> None:
        """Load the file; while it cannot be loaded, the backup holds its schedules too."""
        file, backup = self.context.file, self.context.backup
        survey, backup.survey = backup.survey, None  # true only in the tick that made it
        is_loaded = file.load(survey)
        if is_loaded:
            backup.copy_imports()
        if is_loaded or not self.has_begun:
            self.context.watch.rules_text = self.context.client.hget(self.context.keys.file, "alerts") or ""
            self.alerts.follow(has_rules=bool(self.context.watch.rules_text))
            self.has_begun = True
            self.groups_at = 0.0  # a group may have got more places
        if backup.has_file_schedules != bool(file.wrong):
            backup.has_file_schedules = bool(file.wrong)
            self.losses.marker = None  # compare everything again

    def send(self) -> bool:
        """Send what is due; False when time is up and more may be due."""
        ends, more = time.monotonic() + MAX_SENDING_S, True
        while more and time.monotonic() < ends:
            memory, token = self.losses.memory, self.context.lease.token
            for others in (self.followers, self.later) if self.is_busy else (self.later,):
                steps = others.send(token, memory.commits, memory.forgotten_until)
                memory.commits += steps
                self.is_busy = self.is_busy or steps > 0
            more = self.sender.send(self.clock.still_ahead)
            self.is_busy = self.is_busy or more
            self.deliver()
        return not more

    def deliver(self) -> None:
        """Hand what waits in the outbox to its broker."""
        if self.is_busy and not self.outbox.drain(self.context.lease.token):
            raise LostLock

    def probe(self) -> None:
        """Ask whether Redis would take what is due next: a full one passes every tick that has nothing to write."""
        if self.is_away or time.monotonic() - self.probed_at >= PROBE_INTERVAL_S:
            self.probed_at = time.monotonic()
            take_a_write(self.context.client, self.context.keys)
            self.is_away = False
            self.context.watch.led()

    def look_after_groups(self) -> None:
        """Give free places of groups to the runs that wait; raises LostLock."""
        if time.monotonic() - self.groups_at >= GROUPS_INTERVAL_S:
            self.groups_at = time.monotonic()
            if not groups.look_after(self.context.client, self.context.keys, self.context.lease.token):
                raise LostLock

    def until_next(self, mended: Mended) -> tuple[float, bool]:
        """Ask for the next due instant and for signs of a loss, in one round trip; tell systemd.

        Returns the seconds until it, and whether Redis still has everything.
        """
        keys = self.context.keys
        with self.context.client.pipeline(transaction=False) as pipe:
            pipe.zrangebyscore(keys.schedule, 0, "+inf", start=0, num=1, withscores=True)
            pipe.zrange(keys.later, 0, 0, withscores=True)
            question = mended.ask(pipe)
            first, later, *answers = pipe.execute()
        upcoming = (first[0][0].removeprefix(keys.prefix), first[0][1]) if first else None
        has_all = question.hear(*answers)
        notify.ready(self.sentence(self.losses.size, upcoming))
        self.outside.hear()
        if not has_all:
            return 0.0, False
        self.later.next_at = later[0][1] if later else math.inf
        upcoming_at = upcoming[1] if upcoming else math.inf
        rest = min(upcoming_at, self.later.next_at) - time.time()
        return min(max(rest, 0.0), self.outbox.wait), True

    def sentence(self, count: int, upcoming: tuple[str, float] | None) -> str:
        """What ``systemctl status`` says of a leader."""
        sentence = notify.leading(self.context.lease.since, count, upcoming, time.time())
        file = self.context.file
        return f"{file.path.name} is wrong, kept the last good: {sentence} · {file.wrong}" if file.wrong else sentence
