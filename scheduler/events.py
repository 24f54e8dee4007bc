"""The names of all events, and the one place that turns an event into a log line.

``emit("run.sent", schedule="x", run="x@…")`` logs the sentence below; the event's name and
its fields travel beside it in the record's ``event`` and ``fields``, for log handlers that keep them.
"""

from __future__ import annotations

import logging

logger = logging.getLogger("scheduler")

DEBUG, INFO, WARNING, ERROR = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR

EVENTS: dict[str, tuple[int, str]] = {
    "beat.leader": (INFO, "Leading: this beat holds {lock} for {lease:g} s at a time"),
    "beat.standby": (INFO, "Standing by: {holder} leads, its lease ends in {remaining:.0f} s"),
    "beat.lost_lock": (WARNING, "Lost the lock: standing by"),
    "beat.redis_away": (WARNING, "Redis does not answer, waiting for it: {error}"),
    "beat.redis_back": (INFO, "Redis answers again after {seconds:.0f} s"),
    "beat.redis_refuses": (ERROR, "Redis does not let beat in, waiting until somebody mends that: {error}"),
    "beat.unfit": (ERROR, "Beat does not start: {error}"),
    "beat.stopped": (INFO, "Stopped; the lock is free for the next beat"),
    "broker.away": (WARNING, "The broker does not answer, runs wait in the outbox: {error}"),
    "broker.back": (INFO, "The broker answers again after {seconds:.0f} s"),
    "clock.set_ahead": (WARNING, "The clock went ahead by {seconds:.0f} s: what it left out follows catch_up"),
    "clock.set_back": (WARNING, "The clock went back by {seconds:.0f} s: what was sent is not sent again"),
    "entry.quarantined": (ERROR, "Schedule '{schedule}' was set aside until it changes: {error}"),
    "entry.adopted": (INFO, "Schedule '{schedule}' was changed through RedBeat's own API"),
    "entry.vanished": (WARNING, "Schedule '{schedule}' was in the index without its entry: removed from the index"),
    "file.applied": (INFO, "Loaded {file}: {summary}"),
    "file.rejected": (ERROR, "Kept the last good schedules: {file} has {count} errors, the first: {problem}"),
    "file.problem": (ERROR, "{problem}"),
    "file.differs": (
        WARNING,
        "Standing by with another schedule file than the leader's: {file} is {digest}, not {theirs}",
    ),
    "file.conflict": (WARNING, "Loading {file} met another change at the same time and is tried again"),
    "reload.unanswered": (WARNING, "The answer to a reload cannot be written to {path}: {error}"),
    "store.lost": (ERROR, "Redis lost {what}"),
    "snapshot.failed": (ERROR, "The snapshot cannot be written to {path}: {error}; set SCHEDULER_STATE_DIR"),
    "snapshot.set_aside": (WARNING, "The snapshot was moved to {path} and not used: {reason}"),
    "run.sent": (INFO, "Sent {run} to {queue}"),
    "run.skipped": (DEBUG, "Skipped {count} × {schedule}: {reason}"),
    "run.duplicate": (WARNING, "Did not run {run} again: it is {outcome} already"),
    "run.lost": (ERROR, "{run} is lost: {reason}"),
    "run.sent_again": (WARNING, "{run} was {reason}"),
    "run.handed_back": (WARNING, "Cut off {run}: its worker stops, so it runs again"),
    "run.refused": (ERROR, "Gave up {run}: it cannot be published: {error}"),
    "redis.open": (
        WARNING,
        "Redis at {url} lets everybody in who reaches it: give it a password, or TLS with certificates",
    ),
    "worker.redis_away": (WARNING, "Redis does not answer, waiting for it: {error}"),
    "worker.redis_back": (INFO, "Redis answers again after {seconds:.0f} s"),
    "worker.redis_refuses": (ERROR, "Redis does not let the worker in, waiting until somebody mends that: {error}"),
    "ledger.away": (ERROR, "The ledger could not record {run} as {outcome}: {error}"),
    "app.unregistered": (ERROR, "Run {run} failed: task '{task}' is not registered on this worker"),
}


def are_heard() -> bool:
    """Whether anybody would see an event of the level INFO."""
    return logger.isEnabledFor(INFO)


def emit(event: str, **fields: object) -> None:
    """Log an event of the table above; an unknown name or a missing field is a KeyError, so that tests find it."""
    level, sentence = EVENTS[event]
    if logger.isEnabledFor(level):
        line = " ".join(sentence.format(**fields).split())
        logger.log(level, line, extra={"event": event, "fields": fields})
