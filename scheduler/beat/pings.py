"""Sends pings from their outbox in Redis, while this beat leads. A host that hangs delays no other, and no run."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

import redis

from scheduler.alerts import ping as pinging
from scheduler.alerts.ping import Ping, Rejected
from scheduler.alerts.rules import Rules
from scheduler.alerts.sinks.secrets import Resolved
from scheduler.alerts.sinks.sink import SinkFailed
from scheduler.beat.deliveries import PAUSES_S, POLL_S
from scheduler.events import emit
from scheduler.model.alerts import SERVICE
from scheduler.settings import Settings
from scheduler.status.output import last_lines
from scheduler.storage import pings
from scheduler.storage.client import Client, connect
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.storage.records import read_or

SERVICE_PERIOD_S = 60.0  #: seconds between two pings of the service itself
THREADS_PER_HOST = 4
MAX_READ = 1000  #: pings of one look
GIVE_UP_S = 3600.0  #: age of a ping at which it says nothing any more


@dataclass(frozen=True)
class Failure:
    """The pings of one schedule do not arrive."""

    count: int = 0
    retry_at: float = 0.0  #: by the monotonic clock


class Pings:
    """One for each term as leader. Without ``ping`` in the schedule file it starts nothing."""

    def __init__(self, settings: Settings, keys: Keys, token: str) -> None:
        self.settings, self.keys, self.token = settings, keys, token
        self.rules = Rules()
        self.closed = threading.Event()
        self.thread: threading.Thread | None = None
        self.hosts: dict[str, Host] = {}
        self.busy: set[str] = set()  #: the schedules whose pings a thread has
        self.failures: dict[str, Failure] = {}
        self.has_read = False  #: whether it knows what the leader before could not send
        self.service_at = float("-inf")

    def __enter__(self) -> Pings:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed.set()

    def follow(self, rules: Rules, *, is_well: bool) -> None:
        """Take over the addresses of the file; ``is_well`` says whether the service may ping for itself."""
        self.rules = rules
        if rules.pings and self.thread is None:
            self.thread = threading.Thread(target=self._run, name="pings", daemon=True)
            self.thread.start()
        if is_well and SERVICE in rules.pings and time.monotonic() - self.service_at >= SERVICE_PERIOD_S:
            self.service_at = time.monotonic()
            self._hand_over(SERVICE, [("", Ping(SERVICE, "success", time.time()))])

    def _run(self) -> None:
        with connect(self.settings) as client:
            while not self.closed.wait(POLL_S):
                try:
                    if not self.has_read:
                        self.failures = {name: Failure(1) for name in pings.failed(client, self.keys)}
                        self.has_read = True
                    if client.get(self.keys.lock) != self.token:
                        break
                    self._look(client)
                except (redis.RedisError, OSError):
                    self.closed.wait(PAUSES_S[0])
        for host in self.hosts.values():
            host.close()

    def _look(self, client: Client) -> None:
        waiting: dict[str, list[tuple[str, Ping]]] = {}
        for text in pings.waiting(client, self.keys, MAX_READ):
            ping = read_or(None, Ping.from_json, text)
            if ping is None or ping.name not in self.rules.pings or time.time() - ping.at > GIVE_UP_S:
                pings.settle(client, self.keys, text)
            else:
                waiting.setdefault(ping.name, []).append((text, ping))
        for name, several in waiting.items():
            if name not in self.busy and time.monotonic() >= self.failures.get(name, Failure()).retry_at:
                self._hand_over(name, several)

    def _hand_over(self, name: str, several: list[tuple[str, Ping]]) -> None:
        """Let a thread of its host send the pings of a schedule in their order."""
        if name in self.busy:
            return
        self.busy.add(name)
        try:
            host = pinging.place(self.rules.pings[name], Resolved()).netloc
        except SinkFailed:
            host = ""
        self.hosts.setdefault(host, Host()).put(lambda: self._send_all(name, several))

    def _send_all(self, name: str, several: Iterable[tuple[str, Ping]]) -> None:
        try:
            with connect(self.settings) as client:
                for text, ping in several:
                    if self.closed.is_set() or not self._send(client, name, text, ping):
                        return
        except (redis.RedisError, OSError):
            return  # it stays in the outbox, and goes out once more
        finally:
            self.busy.discard(name)

    def _send(self, client: Client, name: str, text: str, ping: Ping) -> bool:
        """Returns whether the next one may go."""
        failure = self.failures.get(name)
        try:
            pinging.send(self._with_output(client, ping), self.rules.pings.get(name, ""))
        except SinkFailed as error:
            count = failure.count if failure else 0
            self.failures[name] = Failure(count + 1, time.monotonic() + PAUSES_S[min(count, len(PAUSES_S) - 1)])
            if not failure:
                emit("ping.failed", subject=name or "the service", error=error)
                pings.note_failure(client, self.keys, name, str(error))
            if isinstance(error, Rejected):
                pings.settle(client, self.keys, text)
            return False
        pings.settle(client, self.keys, text)
        if failure:
            del self.failures[name]
            pings.note_success(client, self.keys, name)
        return True

    def _with_output(self, client: Client, ping: Ping) -> Ping:
        """An end, with what the run printed last."""
        if ping.kind == "start" or not ping.run:
            return ping
        return replace(ping, printed=last_lines(Ledger(client, self.keys, self.settings), ping.run))


class Host:
    """The threads that ask one host."""

    def __init__(self) -> None:
        self.work: queue.SimpleQueue[object] = queue.SimpleQueue()
        self.threads = 0

    def put(self, task: object) -> None:
        self.work.put(task)
        if self.threads < THREADS_PER_HOST:
            self.threads += 1
            threading.Thread(target=self._run, name="ping", daemon=True).start()

    def close(self) -> None:
        for _ in range(self.threads):
            self.work.put(None)

    def _run(self) -> None:
        while callable(task := self.work.get()):
            task()
