"""Tells people when no beat has worked as leader for a while. It needs no Redis, because Redis may be the reason."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import replace
from typing import Any

from scheduler.alerts.alert import Alert, moment
from scheduler.alerts.messages import linked, new_id, of_service
from scheduler.alerts.rules import Rules
from scheduler.alerts.sinks.sink import SinkFailed
from scheduler.beat.deliveries import GIVE_UP_S, PAUSES_S, Attempt
from scheduler.beat.lease import LEADERLESS_S
from scheduler.command_name import with_command_name
from scheduler.events import emit
from scheduler.storage.records import read_or

REMEDY = "run `scheduler doctor` on that host"

MAX_GAP_AGE_S = 86_400.0  #: a time without a leader that ended longer ago is no news
GAP_REMEDY = "nothing now: what fell due in that time follows the `catch_up` of each schedule"


class LeaderWatch:
    """One in each beat, whichever role it has. It keeps who is to be told, as Redis said last."""

    def __init__(self, beat: str, page: str = "") -> None:
        self.beat = beat
        self.page = page  #: its address, for links
        self.rules_text = ""  #: ``alerts`` of the last good schedule file
        self.led_at = time.monotonic()
        self.since = time.time()  #: the same instant in epoch seconds
        self.told: Alert | None = None
        self.senders: dict[str, Sender] = {}

    def led(self) -> None:
        """A beat leads and works: this one, or another."""
        self.led_at, now = time.monotonic(), time.time()
        if self.told:
            reason = f"{self.told.reason} (from {moment(self.since)} to {moment(now)})"
            self.tell(replace(self.told, id=new_id(), event="recovered", severity="ok", at=now, reason=reason))
            self.told = None
        self.since = now

    def led_until(self, at: float) -> None:
        """A beat led and worked until that instant (monotonic), as is known now."""
        if at > self.led_at:
            self.led_at, self.since = at, self.since + at - self.led_at

    def look(self, why: str) -> None:
        """No beat works as leader, as far as this beat sees; ``why`` is a sentence."""
        if self.told or time.monotonic() - self.led_at < LEADERLESS_S:
            return
        reason = f"No beat sends anything, as far as {self.beat} sees: {why}"
        remedy = with_command_name(REMEDY)
        self.told = Alert(new_id(), "problem", "critical", "beat", time.time(), self.since, None, reason, remedy)
        self.tell(self.told)

    def tell(self, alert: Alert) -> None:
        """Hand the alert to every sink that gets alerts about the service; does not wait for them."""
        rules = read_or(Rules(), Rules.from_json, self.rules_text)
        alert = linked(of_service(alert), self.page)
        for sink in rules.rule.sinks if alert.event in rules.rule.events else ():
            if sink in rules.sinks:
                self.senders.setdefault(sink, Sender(sink)).send(alert, rules.sinks[sink])


def gap_alert(noted: str, now: float) -> Alert | None:
    """The alert about a time without a leader, which ``lease.py`` noted: two instants in epoch seconds."""
    try:
        since, until = map(float, noted.split())
    except ValueError:
        return None
    if now - until > MAX_GAP_AGE_S:
        return None
    reason = f"No beat led from {moment(since)} to {moment(until)}"
    return Alert(new_id(), "problem", "warning", "beat", until, since, None, reason, GAP_REMEDY)


class Sender:
    """Hands alerts to one sink in their order, in a thread of its own."""

    def __init__(self, sink: str) -> None:
        self.sink = sink
        self.waiting: queue.SimpleQueue[tuple[Alert, Any]] = queue.SimpleQueue()
        self.thread: threading.Thread | None = None

    def send(self, alert: Alert, options: Any) -> None:
        """Returns at once."""
        self.waiting.put((alert, options))
        if self.thread is None:
            self.thread = threading.Thread(target=self._run, name=f"direct {self.sink}", daemon=True)
            self.thread.start()

    def _run(self) -> None:
        while True:
            alert, options = self.waiting.get()
            failures = 0
            while not self._is_done(alert, options, failures):
                time.sleep(PAUSES_S[min(failures, len(PAUSES_S) - 1)])
                failures += 1

    def _is_done(self, alert: Alert, options: Any, failures: int) -> bool:
        try:
            Attempt(alert, options).wait()
        except SinkFailed as error:
            if time.time() - alert.at > GIVE_UP_S:
                emit("alert.given_up", sink=self.sink, title=alert.title())
                return True
            if not failures:
                emit("alert.failed", sink=self.sink, error=error, pause=PAUSES_S[0])
            return False
        emit("alert.sent", sink=self.sink, title=alert.title())
        return True
