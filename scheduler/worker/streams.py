"""Hands what a body writes to ``sys.stdout``, ``sys.stderr`` and any logger to the recording of its run.

What a program or a library writes to the descriptors 1 and 2 themselves does not come by here.
"""

from __future__ import annotations

import io
import logging
import os
import sys
import threading
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, Protocol

from scheduler.worker.endings import is_stopper
from scheduler.worker.output_lines import LOGGER


class Recording(Protocol):
    """Takes the output of one attempt."""

    is_logged: bool  #: whether what is printed goes to the log too, and so need not go to the stream itself

    def write(self, data: bytes) -> bytes: ...
    def write_record(self, record: logging.LogRecord) -> None: ...


place: Any = threading.local()  #: ``recording``: the one of the body that runs here
inside: Any = threading.local()  #: ``count``: this thread writes what is recorded already, so no line comes twice


def one_body_at_a_time() -> None:
    """Record the threads of a body too: in this process no two bodies run at once, so they cannot be mixed up."""
    global place
    place = SimpleNamespace(recording=None)


def forget() -> None:
    """A process that a body forks has no thread that would send its output."""
    place.recording = None


os.register_at_fork(after_in_child=forget)


def current() -> Recording | None:
    """The recording that takes what this thread writes now."""
    recording: Recording | None = getattr(place, "recording", None)
    return recording if recording is not None and not getattr(inside, "count", 0) else None


class Recorded:
    """What is inside ``with`` writes nothing that is recorded again."""

    def __enter__(self) -> None:
        inside.count = getattr(inside, "count", 0) + 1

    def __exit__(self, *_: object) -> None:
        inside.count -= 1


RECORDED = Recorded()


class Stream:
    """In the place of ``sys.stdout`` or ``sys.stderr``, or of the ``buffer`` of one."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.is_file = isinstance(stream, io.IOBase)  # and not Celery's, whose `write` makes a log record

    def write(self, data: Any) -> Any:
        """Record the text or bytes, and write them to where they went before."""
        recording = current()
        if recording is None or not isinstance(data, (str, bytes, bytearray, memoryview)):
            return self.stream.write(data)
        size = len(data)
        raw = data.encode("utf-8", "backslashreplace") if isinstance(data, str) else bytes(data)
        shown = recording.write(raw)
        if recording.is_logged:
            return size
        if shown is not raw:
            data = shown.decode("utf-8", "backslashreplace") if isinstance(data, str) else shown
        if self.is_file:
            self.stream.write(data)
        else:
            with RECORDED:
                self.stream.write(data)
        return size

    def writelines(self, lines: Iterable[Any]) -> None:
        for line in lines:
            self.write(line)

    @property
    def buffer(self) -> Stream:
        """For bytes."""
        return Stream(self.stream.buffer)

    def __iter__(self) -> Any:
        return iter(self.stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def install() -> None:
    """Let this process record what its bodies write; once is enough."""
    if not isinstance(sys.stdout, Stream) and sys.stdout is not None:
        sys.stdout = Stream(sys.stdout)
    if not isinstance(sys.stderr, Stream) and sys.stderr is not None:
        sys.stderr = Stream(sys.stderr)
    # Every record comes by here once, whether its logger propagates or not, and whoever set up the handlers.
    if logging.Logger.callHandlers is not call_handlers:
        logging.Logger.callHandlers = call_handlers  # type: ignore[method-assign,assignment]


theirs = logging.Logger.callHandlers


def call_handlers(logger: logging.Logger, record: logging.LogRecord) -> None:
    """Record a log record, and give it to its handlers, one of which may write to a stream that is recorded."""
    recording = current()
    if recording is None or record.name == LOGGER:
        return theirs(logger, record)
    with RECORDED:
        try:
            recording.write_record(record)
        except Exception as error:  # a wrong format: the handlers say so
            if is_stopper(error):
                raise
        theirs(logger, record)
    return None
