"""Looks for changes inside the test's process, and sinks that keep what they take."""

from __future__ import annotations

import threading
from typing import Any

from pydantic import BaseModel

from scheduler.alerts.alert import Alert
from scheduler.alerts.sinks.sink import SinkFailed
from scheduler.model import Run, run_id
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from tests.support.schedules import MINUTE, NOON

TOKEN = "the leader"  #: of the beat that looks


class Receiver:
    """A sink of the test: it keeps what it takes, refuses, or hangs."""

    class Options(BaseModel):
        """Nothing to say."""

    def __init__(self) -> None:
        self.taken: list[Alert] = []
        self.refuses = False
        self.free = threading.Event()
        self.free.set()

    def send(self, alert: Alert, _: Any) -> None:
        self.free.wait()
        if self.refuses:
            raise SinkFailed("connection refused")
        self.taken.append(alert)

    @property
    def titles(self) -> list[str]:
        return [alert.title() for alert in self.taken]


def sinks(*names: str) -> dict[str, Any]:
    """The rules of a file with these sinks."""
    return {"sinks": {name: {name: {}} for name in names}}


def end(ledger: Ledger, minute: int, outcome: Any, name: str = "job", **more: Any) -> None:
    due = NOON + minute * MINUTE
    identity = run_id(name, due)
    ledger.claim(Run(identity, name, due.timestamp(), "running", task="t"), "host:1", "token")
    ledger.close(identity, outcome, token="token", **more)


def waiting(client: Client, keys: Keys, sink: str = "ops") -> list[str]:
    return [Alert.from_json(text).title() for text in client.lrange(keys.alert_outbox(sink), 0, -1)]
