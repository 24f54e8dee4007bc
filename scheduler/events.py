"""Every event by name, and its log line.

``emit("run.sent", schedule="x", run="x@…")`` logs the sentence below. The log record also has the
event's name in ``event`` and its fields in ``fields``, for log handlers that keep them.
"""

from __future__ import annotations

import logging

logger = logging.getLogger("scheduler")

DEBUG, INFO, WARNING, ERROR = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR

EVENTS: dict[str, tuple[int, str]] = {
    "beat.leader": (INFO, "Leading: holds {lock} with a lease of {lease:g} s"),
    "beat.standby": (INFO, "Standing by: {holder} leads, its lease ends in {remaining:.0f} s"),
    "beat.leader_died": (
        INFO,
        "The leader has died: {holder} has lost its connection and does not renew its lock",
    ),
    "beat.lost_lock": (WARNING, "Lost the lock: standing by"),
    "beat.redis_away": (WARNING, "Waiting for Redis: {problem}"),
    "beat.redis_back": (INFO, "Redis answers again after {seconds:.0f} s"),
    "beat.redis_refuses": (ERROR, "Waiting for Redis until this is fixed: {problem}"),
    "beat.unfit": (ERROR, "Beat cannot start: {error}"),
    "beat.stopped": (INFO, "Stopped and released the lock"),
    "broker.away": (WARNING, "The broker does not answer; runs wait in the outbox: {error}"),
    "broker.back": (INFO, "The broker answers again after {seconds:.0f} s"),
    "clock.set_ahead": (
        WARNING,
        "The system clock jumped ahead {seconds:.0f} s; due instants in the gap follow catch_up",
    ),
    "clock.set_back": (WARNING, "The system clock jumped back {seconds:.0f} s; runs already sent are not sent again"),
    "zones.changed": (WARNING, "{notice}"),
    "entry.quarantined": (ERROR, "Schedule '{schedule}' is quarantined until it is changed: {error}"),
    "entry.adopted": (INFO, "Schedule '{schedule}' was changed with RedBeat's API"),
    "entry.vanished": (WARNING, "Removed schedule '{schedule}' from the index: its entry is gone"),
    "file.applied": (INFO, "Loaded {file}: {summary}"),
    "file.rejected": (
        ERROR,
        "Rejected {file}, the last good schedules keep running. Errors: {count}. The first: {problem}",
    ),
    "file.problem": (ERROR, "{problem}"),
    "file.differs": (
        WARNING,
        "The schedule file differs from the leader's: {file} is {digest}, the leader's is {theirs}",
    ),
    "file.conflict": (WARNING, "Another change interfered while loading {file}; retrying"),
    "reload.unanswered": (WARNING, "Cannot write the result of the reload to {path}: {error}"),
    "settings.differ": (WARNING, "{difference}"),
    "settings.unknown": (WARNING, "{problem}"),
    "store.other_kind": (ERROR, "{problem}"),
    "store.lost": (ERROR, "Redis lost {what}"),
    "snapshot.failed": (
        ERROR,
        "Cannot write the snapshot to {path}: {error}; set SCHEDULER_STATE_DIR to a writable directory",
    ),
    "snapshot.set_aside": (WARNING, "Ignored the snapshot and moved it to {path}: {reason}"),
    "backfill.done": (INFO, "The backfill of {schedule} is done: sent {count}"),
    "backfill.stopped": (WARNING, "The backfill of {schedule} stopped: {why}"),
    "run.sent": (INFO, "Sent {run} to {queue}"),
    "run.skipped": (DEBUG, "Skipped {count} × {schedule}: {reason}"),
    "run.duplicate": (WARNING, "Ignored a duplicate of {run}: it is already {outcome}"),
    "run.lost": (ERROR, "{run} is lost: {reason}"),
    "run.stopping": (WARNING, "Stopping {run}: {why}"),
    "run.over_memory": (WARNING, "Killed {run}: {problem}"),
    "run.unstoppable": (WARNING, "Cannot stop {run}: the pool '{pool}' cannot stop a run, so it ends by itself"),
    "run.sent_again": (WARNING, "{run} was {reason}"),
    "run.handed_back": (WARNING, "Interrupted {run}: its worker is shutting down; it will run again"),
    "run.refused": (ERROR, "{run} failed: its message cannot be published: {error}"),
    "message.set_aside": (ERROR, "Set aside a message from queue '{queue}' that cannot be read: {error}"),
    "message.not_kept": (ERROR, "Cannot keep a message from queue '{queue}' that cannot be read: {error}"),
    "message.dropped": (WARNING, "Ignored a message of another worker or a monitor that cannot be read: {error}"),
    "task.given_up": (ERROR, "Gave up the call {id} of {task}: its worker process died {deliveries} times"),
    "alerts.failed": (ERROR, "Cannot work out which alerts to send: {error}"),
    "alert.sent": (INFO, "Told {sink}: {title}"),
    "alert.failed": (WARNING, "Cannot tell {sink}, will try again in {pause:.0f} s: {error}"),
    "alert.given_up": (ERROR, "Gave up telling {sink}: {title}"),
    "ping.failed": (WARNING, "Cannot ping for {subject}, will try again: {error}"),
    "flask.failed": (ERROR, "{problem}"),
    "redis.open": (
        WARNING,
        "Redis at {url} accepts anyone who can reach it: set a password, or require TLS certificates",
    ),
    "worker.redis_away": (WARNING, "Waiting for Redis: {problem}"),
    "worker.redis_back": (INFO, "Redis answers again after {seconds:.0f} s"),
    "worker.redis_refuses": (ERROR, "Waiting for Redis until this is fixed: {problem}"),
    "worker.returned": (WARNING, "Returned messages to their queues, because their worker disappeared: {count}"),
    "check_in.failed": (WARNING, "Cannot tell Sentry that {run} starts: {error}"),
    "ledger.away": (ERROR, "Cannot record {run} as {outcome}: {error}"),
    "application.note": (WARNING, "{problem}"),
    "imports.failed": (ERROR, "Runs of its tasks wait until this is fixed: {problem}"),
    "worker.lacks": (ERROR, "{problem}"),
    "worker.learned": (INFO, "Imported modules of the schedule file; now has {tasks} tasks"),
}


def are_heard() -> bool:
    """Whether INFO events are logged."""
    return logger.isEnabledFor(INFO)


def emit(event: str, **fields: object) -> None:
    """Log an event from EVENTS. An unknown name or a missing field raises KeyError, so that tests find it."""
    level, sentence = EVENTS[event]
    if logger.isEnabledFor(level):
        line = " ".join(sentence.format(**fields).split())
        logger.log(level, line, extra={"event": event, "fields": fields})
