"""The unusual ways in which a body ends, and what each means for its run."""

from __future__ import annotations

import signal
from typing import Any

from celery.exceptions import Ignore, Reject

#: Errors of these packages stop a body from outside; they are no end of its own.
STOPPERS = ("billiard", "celery", "eventlet", "gevent", "greenlet")

#: Exit codes that billiard gives a process of the pool which a signal ends.
SIGNALLED = frozenset(number - 256 for number in signal.valid_signals())


class BodyExited(Exception):
    """A body raised SystemExit, KeyboardInterrupt or the like, which would end its process and with it the message."""


class BodyRejected(Exception):
    """A body of a run raised Celery's Reject; its message is not delivered again, since the run has ended."""


def as_failure(error: BaseException, run_id: str | None) -> BaseException:
    """What Celery is to see instead of an error of a body: a failure where the body gave up, else the same error."""
    if isinstance(error, Reject) and run_id is not None:
        return BodyRejected(one_line("Reject", error.reason or "")).with_traceback(error.__traceback__)
    if isinstance(error, Exception) or is_signal(error) or is_stopper(error):
        return error
    return BodyExited(one_line(type(error).__name__, error)).with_traceback(error.__traceback__)


def is_signal(error: BaseException) -> bool:
    """Whether a signal ends this process of the pool: billiard's handler raises SystemExit wherever the body is."""
    return isinstance(error, SystemExit) and error.code in SIGNALLED


def is_stopper(error: BaseException) -> bool:
    return any(base.__module__.partition(".")[0] in STOPPERS for base in type(error).__mro__)


def result_of(error: Ignore, request: Any) -> str:
    """What the ledger shows as the result of a run whose body raised Ignore."""
    replacement = getattr(request, "replaced_by", "")
    if replacement:
        return f"replaced by {replacement}, whose end is not part of this run"
    return one_line("ended with Ignore", error)


def one_line(what: str, error: object) -> str:
    return " ".join(f"{what}: {error}".split()).removesuffix(":")
