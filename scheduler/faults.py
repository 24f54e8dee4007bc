"""Points at which a process kills or stops itself, so that tests can make it die between any two steps of a run.

Tests set ``SCHEDULER_FAULTS`` to ``point:action`` or ``point:action:n``, several separated by commas. When the process
reaches the point for the n-th time (default 1), it sends itself SIGKILL (``kill``), SIGSTOP (``stop``) or SIGTERM
(``term``), once. Without the variable, ``reach`` only tests an empty dictionary.
"""

from __future__ import annotations

import os
import signal

POINTS = (
    "alerts.before_tell",
    "alerts.after_tell",
    "alerts.after_send",
    "lease.before_take",
    "lease.after_take",
    "lease.before_renew",
    "lease.after_renew",
    "changes.before_write",
    "changes.after_write",
    "roster.before_due",
    "roster.after_due",
    "store.before_apply",
    "store.before_adopt",
    "store.after_adopt",
    "store.before_set_aside",
    "store.after_set_aside",
    "beat.before_decide",
    "beat.after_decide",
    "dispatch.before_commit",
    "dispatch.after_commit",
    "backfill.before_send",
    "backfill.after_send",
    "lost_runs.before_settle",
    "lost_runs.after_settle",
    "lost_messages.before_settle",
    "lost_messages.after_settle",
    "followers.before_commit",
    "followers.after_commit",
    "later.before_commit",
    "later.after_commit",
    "outbox.before_publish",
    "outbox.after_publish",
    "outbox.after_take_out",
    "lease.before_release",
    "lease.after_release",
    "consumer.before_connect",
    "recorder.before_claim",
    "recorder.after_claim",
    "recorder.after_body",
    "recorder.before_close",
    "recorder.after_close",
)
ACTIONS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP, "term": signal.SIGTERM}


def read(text: str) -> dict[str, tuple[signal.Signals, int]]:
    """Parse ``SCHEDULER_FAULTS``: point to signal and count. Raises ValueError for an unknown point or action."""
    faults: dict[str, tuple[signal.Signals, int]] = {}
    for word in filter(None, text.replace(" ", "").split(",")):
        point, _, rest = word.partition(":")
        action, _, times = rest.partition(":")
        if point not in POINTS or action not in ACTIONS or not (times or "1").isdecimal():
            raise ValueError(f"SCHEDULER_FAULTS: {word!r} is not point:action or point:action:n")
        faults[point] = ACTIONS[action], int(times or "1")
    return faults


armed = read(os.environ.get("SCHEDULER_FAULTS", ""))


def reach(point: str) -> None:
    """Mark this point; called once per batch or run, never per message of a batch."""
    if armed:
        _count_down(point)


def _count_down(point: str) -> None:
    if point not in armed:
        return
    sent_signal, times = armed.pop(point)
    if times > 1:
        armed[point] = sent_signal, times - 1
    else:
        os.kill(os.getpid(), sent_signal)
