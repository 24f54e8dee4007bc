"""Says what changed, while a beat leads, in a thread of its own: sending never waits for it.

Until the schedule file names somebody to tell, it only notes since when each problem is there.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque

import redis

from scheduler import faults
from scheduler.alerts.alert import moment
from scheduler.alerts.messages import run_of
from scheduler.alerts.rules import Rules
from scheduler.alerts.teller import PREFIXES, Teller
from scheduler.beat.deliveries import Deliveries
from scheduler.beat.leader_watch import gap_alert
from scheduler.beat.pings import Pings
from scheduler.events import emit
from scheduler.settings import Settings
from scheduler.status import problems
from scheduler.status.changed import changed
from scheduler.status.output import last_lines
from scheduler.status.problems import unstarted
from scheduler.status.problems.facts import Facts
from scheduler.status.problems.problem import ServiceProblem
from scheduler.storage import alerts, health
from scheduler.storage.client import Client, connect
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.storage.lock import LostLock
from scheduler.storage.store import Store

LOOK_INTERVAL_S = 2.0  #: seconds between two looks for changes
PROBLEMS_INTERVAL_S = 5.0  #: seconds between two looks at the list of problems
UNTOLD_INTERVAL_S = 300.0  #: the same while there is nobody to tell: so that an idle beat costs Redis nothing
GROUP_INTERVAL_S = 30.0  #: seconds between two looks while many change: so that one message tells of many
MAX_PER_MINUTE = 5  #: alerts for one sink in a minute that are said at once
MAX_CHANGES = 10_000  #: that one look reads
MAX_EXPLAINED = 10  #: failures of one look that say what changed before; more at once are told as one message
NEW_S = 60  #: seconds that a change may be old when alerts are switched on
TOLD_OTHERWISE = ("failing", "unstarted")  #: kinds that are told under the name of each schedule, not as `problem`


class Alerts:
    """One for each term as leader."""

    def __init__(self, settings: Settings, keys: Keys, token: str) -> None:
        self.settings = settings
        self.keys = keys
        self.token = token
        self.tells_gap = True  #: whether a time without a leader before this term is news: this beat told of none
        self.closed, self.has_rules = threading.Event(), threading.Event()
        self.thread: threading.Thread | None = None

    def follow(self, *, has_rules: bool) -> None:
        """Tell from now on if the last good schedule file names sinks or pings; call it after a load of the file."""
        if has_rules:
            self.has_rules.set()
        if not self.thread:
            self.thread = threading.Thread(target=self._run, name="alerts", daemon=True)
            self.thread.start()

    def close(self) -> None:
        """Stop; the next leader finds in Redis what was not delivered."""
        self.closed.set()
        self.has_rules.set()  # which ends the wait for them

    def _run(self) -> None:
        with connect(self.settings) as client:
            while not self.has_rules.wait(UNTOLD_INTERVAL_S):
                try:
                    note_problems(Facts(Store(client, self.keys), self.settings))
                except (redis.RedisError, OSError):
                    continue
                except Exception as error:
                    emit("alerts.failed", error=f"{type(error).__name__}: {error}")
            self._tell(client)

    def _tell(self, client: Client) -> None:
        own = self.settings, self.keys, self.token
        with Deliveries(*own) as deliveries, Pings(*own) as pings:
            look, wait = None, 0.0
            while not self.closed.wait(wait):
                look = look or Look(client, *own, tells_gap=self.tells_gap)
                try:
                    wait = look.look()
                    rules = look.teller.rules if look.teller else Rules()
                    deliveries.follow(rules)
                    pings.follow(rules, is_well=look.is_well)
                except LostLock:
                    return
                except (redis.RedisError, OSError):
                    look, wait = None, LOOK_INTERVAL_S  # what was said is read again
                except Exception as error:
                    emit("alerts.failed", error=f"{type(error).__name__}: {error}")
                    look, wait = None, GROUP_INTERVAL_S


def note_problems(facts: Facts) -> tuple[tuple[str, ServiceProblem], ...]:
    """The list of problems, each with its kind; notes since when each is there."""
    named = problems.with_kinds(facts)
    problems.note_first_seen(facts, named)
    return named


class Look:
    """Reads what changed, decides, and stores the alerts with what they said and up to where it read, in one step."""

    def __init__(self, client: Client, settings: Settings, keys: Keys, token: str, *, tells_gap: bool = True) -> None:
        self.client, self.settings, self.keys, self.token = client, settings, keys, token
        self.store = Store(client, keys)
        self.ledger = Ledger(client, keys, settings)
        self.tells_gap = tells_gap
        self.position = ""
        self.gap = ""  #: the time without a leader that was noted
        self.teller: Teller | None = None
        self.text = ""
        self.explained = 0  #: failures of this look whose causes were looked for
        self.is_well = False  #: whether no problem was critical when it looked last
        self.problems_at = float("-inf")
        self.sent_at: deque[float] = deque(maxlen=MAX_PER_MINUTE)

    def look(self) -> float:
        """Returns the seconds until the next look. Raises LostLock, or what redis-py raises."""
        teller, now, self.explained = self._teller(), time.time(), 0
        alerts.note_slow(self.client, self.keys, self.token, now)
        changes = alerts.changes_after(self.client, self.keys, self.position, MAX_CHANGES)
        for _, change in changes:
            if change:
                teller.change(change, now)
        teller.later(now)
        if self.gap and self.tells_gap and (gap := gap_alert(self.gap, now)):
            teller.say(gap)
        self._remind(teller, now)
        if time.monotonic() - self.problems_at >= PROBLEMS_INTERVAL_S:
            self.problems_at = time.monotonic()
            facts = Facts(self.store, self.settings)
            named = note_problems(facts)
            self.is_well = all(problem.severity != "critical" for _, problem in named)
            told = [it for it in named if it[0] not in TOLD_OTHERWISE]
            teller.problems(told, now, problems.hidden_kinds(facts))
            self._unstarted(teller, facts, now)
        waiting, said = teller.take()
        said |= {alerts.GAP: ""} if self.gap else {}
        position = changes[-1][0] if changes else self.position
        if waiting or said or position != self.position:
            faults.reach("alerts.before_tell")
            alerts.tell(self.client, self.keys, self.token, {**said, alerts.POSITION: position}, waiting)
            faults.reach("alerts.after_tell")
        self.position, self.gap = position, ""
        self.sent_at.extend([now] * max(Counter(sink for sink, _ in waiting).values(), default=0))
        is_busy = len(self.sent_at) == MAX_PER_MINUTE and now - self.sent_at[0] < 60
        return GROUP_INTERVAL_S if is_busy else LOOK_INTERVAL_S

    def _teller(self) -> Teller:
        """With the rules as they are now."""
        text = self.client.hget(self.keys.file, "alerts") or ""
        if self.teller is None:
            stored = alerts.told(self.client, self.keys)
            self.gap = stored.get(alerts.GAP, "")
            self.position = stored.get(alerts.POSITION) or f"{int(time.time() - NEW_S) * 1000}-0"
            self.teller = Teller(Rules.from_json(text), stored, self.settings.admin_url, self._context)
            self.text = text
        elif text != self.text:
            self.teller.rules, self.text = Rules.from_json(text), text
        return self.teller

    def _context(self, change: alerts.HealthChange) -> tuple[str, tuple[str, ...]]:
        run_id = run_of(change)
        return last_lines(self.ledger, run_id) if run_id else "", self._changes(change)

    def _changes(self, change: alerts.HealthChange) -> tuple[str, ...]:
        if change.event not in ("failing", "lost") or self.explained >= MAX_EXPLAINED:
            return ()
        self.explained += 1
        return tuple(f"{moment(at)} {what}" for at, what in changed(self.store, change.name, change.since))

    def _unstarted(self, teller: Teller, facts: Facts, now: float) -> None:
        states = {it.name: (it.state, unstarted.problem(it)) for it in facts.unstarted.schedules}
        teller.unstarted(states, now, is_complete=facts.unstarted.is_complete)

    def _remind(self, teller: Teller, now: float) -> None:
        if due := teller.reminders(now):
            counts = {one.name: one.count for one in health.failing(self.client, self.keys).worst}
            slow = health.slow(self.client, self.keys, due.values())
            for key, name in due.items():
                is_slow = key.startswith(PREFIXES["slow"])
                teller.remind(key, int(name in slow) if is_slow else counts.get(name, 0), now)
