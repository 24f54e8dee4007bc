"""Hands alerts from their outboxes in Redis to the sinks. Each has a thread, so one that hangs delays no other."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

import redis

from scheduler import faults
from scheduler.alerts.alert import Alert
from scheduler.alerts.rules import Rules
from scheduler.alerts.sinks import KINDS
from scheduler.alerts.sinks.sink import SEND_TIMEOUT_S, SinkFailed
from scheduler.events import emit
from scheduler.settings import Settings
from scheduler.storage import alerts
from scheduler.storage.client import Client, connect
from scheduler.storage.keys import Keys
from scheduler.storage.records import read_or

POLL_S = 1.0  #: seconds between two looks into an outbox
PAUSES_S = (5.0, 10.0, 30.0, 60.0, 300.0)  #: seconds between attempts; the last one repeats
ANSWER_TIMEOUT_S = SEND_TIMEOUT_S + 5  #: seconds after which a call of a sink counts as failed
GIVE_UP_S = 86_400.0  #: age of an alert at which it is given up


class Deliveries:
    """A thread for each sink of the schedule file, while this beat leads."""

    def __init__(self, settings: Settings, keys: Keys, token: str) -> None:
        self.settings, self.keys, self.token = settings, keys, token
        self.rules = Rules()
        self.closed = threading.Event()
        self.threads: dict[str, threading.Thread] = {}

    def __enter__(self) -> Deliveries:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed.set()

    def follow(self, rules: Rules) -> None:
        """Start the threads of new sinks; those of sinks that are gone end."""
        self.rules = rules
        for name in rules.sinks:
            if name not in self.threads or not self.threads[name].is_alive():
                self.threads[name] = threading.Thread(target=self._run, args=[name], name=f"sink {name}", daemon=True)
                self.threads[name].start()

    def _run(self, name: str) -> None:
        with connect(self.settings) as client:
            sink, wait = None, 0.0
            while not self.closed.wait(wait) and name in self.rules.sinks:
                try:
                    if client.get(self.keys.lock) != self.token:
                        return
                    sink = sink or SinkDelivery(client, self.keys, name)
                    wait = sink.deliver(self.rules.sinks[name])
                except (redis.RedisError, OSError):
                    wait = PAUSES_S[0]


class SinkDelivery:
    """Takes the alerts of one sink in their order."""

    def __init__(self, client: Client, keys: Keys, name: str) -> None:
        self.client, self.keys, self.name = client, keys, name
        self.failures = 0
        self.attempt: Attempt | None = None
        self.state = alerts.sink_states(client, keys).get(name, alerts.SinkState())

    def deliver(self, options: Any) -> float:
        """Hand over the next alert; returns the seconds until the next look. Raises what redis-py raises."""
        text = alerts.waiting(self.client, self.keys, self.name)
        if text is None:
            return POLL_S
        alert = read_or(None, Alert.from_json, text)
        if alert is None:
            alerts.settle(self.client, self.keys, self.name, text, self.state)
            return 0.0
        try:
            self._send(alert, options)
        except SinkFailed as error:
            return self._failed(text, alert, " ".join(str(error).split()))
        faults.reach("alerts.after_send")
        self.failures, self.state = 0, replace(self.state, since=0.0, error="", sent=self.state.sent + 1)
        alerts.settle(self.client, self.keys, self.name, text, self.state)
        emit("alert.sent", sink=self.name, title=alert.title())
        return 0.0

    def _failed(self, text: str, alert: Alert, error: str) -> float:
        pause = PAUSES_S[min(self.failures, len(PAUSES_S) - 1)]
        self.failures += 1
        is_old = time.time() - alert.at > GIVE_UP_S
        since, failed = self.state.since or time.time(), self.state.failed + 1
        self.state = replace(self.state, since=since, error=error, failed=failed, given_up=self.state.given_up + is_old)
        alerts.settle(self.client, self.keys, self.name, text if is_old else None, self.state)
        if is_old:
            emit("alert.given_up", sink=self.name, title=alert.title())
        elif self.failures == 1:
            emit("alert.failed", sink=self.name, error=error, pause=pause)
        return pause

    def _send(self, alert: Alert, options: Any) -> None:
        """Raises SinkFailed, also for a sink that hangs or has an error of its own."""
        if self.attempt and self.attempt.thread.is_alive():
            raise SinkFailed("it still hangs in an earlier attempt")
        self.attempt = Attempt(alert, options)
        self.attempt.wait()


class Attempt:
    """One call of a sink, in a thread, because nothing ends a call that hangs."""

    def __init__(self, alert: Alert, options: Any) -> None:
        self.error: SinkFailed | None = None
        self.thread = threading.Thread(target=self._run, args=[alert, options], name="alert", daemon=True)
        self.thread.start()

    def wait(self) -> None:
        """Raises SinkFailed."""
        self.thread.join(ANSWER_TIMEOUT_S)
        if self.thread.is_alive():
            raise SinkFailed(f"it did not answer within {ANSWER_TIMEOUT_S:.0f} s")
        if self.error:
            raise self.error

    def _run(self, alert: Alert, options: Any) -> None:
        try:
            kind, given = next(iter(options.items()))
            sink = KINDS[kind]
            sink.send(alert, sink.Options.model_validate(given))
        except SinkFailed as error:
            self.error = error
        except Exception as error:
            # Its text may contain a secret.
            self.error = SinkFailed(f"{type(error).__name__} in the sink")
