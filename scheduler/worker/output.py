"""Keeps what the body of a run prints and logs, and sends it to Redis while the body runs.

A body only copies its output into memory. A thread sends what is new, a few times a second. Nothing is sent, and no
thread started, for a body that is silent.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from redis import RedisError

from scheduler.errors import NotFound
from scheduler.process.journal import keeps_fields
from scheduler.references import Filled
from scheduler.settings import Settings
from scheduler.storage import output
from scheduler.storage.client import AWAY, connect
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.worker import output_lines, streams
from scheduler.worker.endings import is_stopper

FIRST_PAUSE_S = 0.05  #: from the first byte until it is sent
PAUSE_S = 0.2  #: between two steps
AWAY_PAUSE_S = 1.0  #: until the next attempt while Redis is away
MAX_PIECES, MAX_PIECES_BYTES = 256, 65_536  #: that wait to be laid out
MAX_UNSENT = 8  #: ended attempts whose output waits for Redis; the oldest is dropped


class LogLine(logging.Formatter):
    """A log record in the output of a run: the time of day in UTC, level, message and traceback."""

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S")


LOG_LINE = LogLine()


def message_of(record: logging.LogRecord) -> str:
    """The text of a log record; of one with a wrong format, what logging's own complaint would show unhidden."""
    try:
        return record.getMessage()
    except Exception as error:
        if is_stopper(error):
            raise
        return f"{record.msg} {record.args!r}"


class Recording:
    """The output of one attempt."""

    def __init__(self, sender: Sender, run_id: str, filled: Filled) -> None:
        self.sender, self.run_id, self.filled = sender, run_id, filled
        self.is_logged = sender.is_logged
        self.is_waiting = False  #: whether the sender knows that there is something new
        self.has_ended = False
        self.sent = 0  #: bytes of the output that Redis has
        self.unmasked = b""  #: the end of what was written, as long as it may be the beginning of a secret
        self.at_line_start = True
        self.pieces: list[bytes] = []  #: what was written last; `print` writes each line in two, and each must be quick
        self.pieces_bytes = 0
        # Reentrant, because a signal handler of the body may print while the body prints.
        self.lock, self.sending = threading.RLock(), threading.Lock()

    @cached_property
    def kept(self) -> output.Bounded:
        return output.Bounded(self.sender.settings.output_bytes)

    @cached_property
    def lines(self) -> output_lines.Lines:
        """What is to be logged."""
        return output_lines.Lines(self.sender.settings.output_bytes)

    def write(self, data: bytes) -> bytes:
        """Take what the body, or a program of it, printed; touches only memory.

        Returns the same, or what may be shown of it by now if the body knows secrets.
        """
        return self.add(data)

    def write_record(self, record: logging.LogRecord) -> None:
        """Take a log record, on a line of its own, and hide its secrets from its handlers.

        Raises what formatting it does.
        """
        if self.filled.values:
            record.msg, record.args = self.filled.hide(message_of(record)), None
            record.exc_text = self.filled.hide(LOG_LINE.formatException(record.exc_info)) if record.exc_info else None
        line = LOG_LINE.format(record) + "\n"
        text = line if self.at_line_start else "\n" + line
        with self.lock:
            self.fold()
            self.add(text.encode("utf-8", "backslashreplace"), is_printed=False)
            self.fold(is_printed=False)

    def add(self, data: bytes, *, is_printed: bool = True) -> bytes:
        if not data:
            return data
        with self.lock:
            self.at_line_start = data[-1:] == b"\n"
            if self.filled.values:
                data, self.unmasked = self.filled.hide_bytes(self.unmasked + data)
            self.pieces.append(data)
            self.pieces_bytes += len(data)
            if len(self.pieces) >= MAX_PIECES or self.pieces_bytes >= MAX_PIECES_BYTES:
                self.fold(is_printed=is_printed)
        if not self.is_waiting:
            self.wait()
        return data

    def fold(self, *, is_printed: bool = True) -> None:
        """Lay out what was written since the last call."""
        data = b"".join(self.pieces)
        self.pieces, self.pieces_bytes = [], 0
        self.kept.add(data)
        if is_printed and self.is_logged:
            self.lines.add(data)

    def wait(self) -> None:
        """Be sent in the next step."""
        self.is_waiting = True
        self.sender.wake(self)

    def end(self) -> None:
        """Send the rest: now or, if Redis is away, later."""
        self.has_ended = True
        if self.unmasked:
            with self.lock:
                self.pieces.append(self.filled.hide_bytes(self.unmasked, is_end=True)[0])
                self.is_waiting = True
        if self.is_waiting or self.sending.locked():
            self.sender.send(self)

    def send(self) -> None:
        """Send what is new, and log it; raises RedisError."""
        with self.sending:
            with self.lock:
                self.is_waiting = False
                self.fold()
                pieces, written = self.kept.since(self.sent), self.kept.written
                lines = self.lines.take(everything=self.has_ended) if self.is_logged else []
                # More than one step may log is waiting for the next step.
                is_behind = self.is_logged and not self.has_ended and b"\n" in self.lines.waiting
            output_lines.log(self.run_id, lines)
            if written > self.sent:
                self.write_to_redis(pieces, written)
            if is_behind:
                self.wait()

    def write_to_redis(self, pieces: list[tuple[int, bytes]], written: int) -> None:
        """Write these pieces; all that is kept, if Redis has lost what it had. Raises RedisError."""
        client, seconds = self.sender.client, self.sender.keep_s
        there = output.write(client, self.key, self.kept, pieces, written, seconds)
        if there < min(self.sent, self.kept.size):
            with self.lock:
                pieces, written = self.kept.since(0), self.kept.written
            output.write(client, self.key, self.kept, pieces, written, seconds)
        self.sent = written

    @cached_property
    def key(self) -> str:
        """Asked for only when there is something to send, because Redis says which attempt this is."""
        try:
            attempt = self.sender.ledger.get(self.run_id).attempt
        except NotFound:  # a Redis that lost the run; the key expires like any other
            attempt = 1
        return self.sender.ledger.keys.output(self.run_id, attempt)


class Sender:
    """Sends the output of the bodies that run in this process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.is_logged = keeps_fields(settings) and output_lines.are_logged()
        self.keep_s = int(settings.keep_days * 86_400)
        # A client of its own, which does not wait for a Redis that is away.
        self.client = connect(settings)
        self.ledger = Ledger(self.client, Keys(settings.key_prefix), settings)
        self.waiting: list[Recording] = []
        self.lock = threading.RLock()  # reentrant like that of a recording
        self.has_news = threading.Event()
        self.thread: threading.Thread | None = None

    def wake(self, recording: Recording) -> None:
        """Send what this one has, soon."""
        with self.lock:
            if recording not in self.waiting:
                self.waiting.append(recording)
            if self.thread is None or not self.thread.is_alive():
                self.start()
        self.has_news.set()

    def start(self) -> None:
        thread = threading.Thread(target=self.run, name="output", daemon=True)
        with suppress(RuntimeError):  # no more threads may start here: the end of the body sends its output
            thread.start()
            self.thread = thread

    def run(self) -> None:
        while True:
            self.has_news.wait()
            time.sleep(FIRST_PAUSE_S)
            self.has_news.clear()
            with self.lock:
                recordings = list(self.waiting)
            are_sent = [self.send(recording) for recording in recordings]
            time.sleep(PAUSE_S if all(are_sent) else AWAY_PAUSE_S)

    def send(self, recording: Recording) -> bool:
        """Send what this one has; if Redis is away, it stays for the next step, and this returns False."""
        with self.lock:
            if recording in self.waiting:
                self.waiting.remove(recording)
        try:
            recording.send()
        except AWAY:
            recording.wait()
            self.drop_oldest()
            return False
        except RedisError:  # another program's key, or a user without the right: nothing to wait for
            pass
        return True

    def drop_oldest(self) -> None:
        """Bound what waits of ended attempts while Redis is away."""
        with self.lock:
            for recording in [it for it in self.waiting if it.has_ended][:-MAX_UNSENT]:
                self.waiting.remove(recording)


class Capture:
    """Records bodies; made before the pool forks."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def sender(self) -> Sender:
        """Made by the first run, which is in the pool's child."""
        streams.install()
        return Sender(self.settings)

    @contextmanager
    def of(self, request: Any, run_id: str | None, filled: Filled) -> Iterator[None]:
        """Record what is written inside; nothing of a plain call, or if the settings say so."""
        if run_id is None or not self.settings.output_bytes:
            yield
            return
        request.scheduler_recording = recording = Recording(self.sender, run_id, filled)
        outer, streams.place.recording = getattr(streams.place, "recording", None), recording
        try:
            yield
        finally:
            streams.place.recording = outer
            with suppress(SoftTimeLimitExceeded):  # the limit of a body that has just ended
                recording.end()
