"""Points at which a process kills or freezes itself, so that a test can make it die between any two steps of a run.

``SCHEDULER_FAULTS`` arms them, and only tests set it: words ``point:action`` or ``point:action:n``, separated by
commas. ``kill`` is SIGKILL, ``stop`` SIGSTOP and ``term`` SIGTERM to this process, when it comes to the point for the
n-th time (the first if left out), once. Without the variable, ``reach`` looks into an empty dictionary and returns.
"""

from __future__ import annotations

import os
import signal

POINTS = (
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
    "lost_runs.before_settle",
    "lost_runs.after_settle",
    "lost_messages.before_settle",
    "lost_messages.after_settle",
    "outbox.before_publish",
    "outbox.after_publish",
    "outbox.after_take_out",
    "lease.before_release",
    "lease.after_release",
    "recorder.before_claim",
    "recorder.after_claim",
    "recorder.after_body",
    "recorder.before_close",
    "recorder.after_close",
)
ACTIONS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP, "term": signal.SIGTERM}


def read(text: str) -> dict[str, tuple[signal.Signals, int]]:
    """What to do at which point, and at which time; raises ValueError for a word that is none of those above."""
    found: dict[str, tuple[signal.Signals, int]] = {}
    for word in filter(None, text.replace(" ", "").split(",")):
        point, _, rest = word.partition(":")
        action, _, times = rest.partition(":")
        if point not in POINTS or action not in ACTIONS or not (times or "1").isdecimal():
            raise ValueError(f"SCHEDULER_FAULTS: {word!r} is not point:action or point:action:n")
        found[point] = ACTIONS[action], int(times or "1")
    return found


armed = read(os.environ.get("SCHEDULER_FAULTS", ""))


def reach(point: str) -> None:
    """This process is at the point now; once for a batch or a run, never for a message of a batch."""
    if armed:
        _count_down(point)


def _count_down(point: str) -> None:
    if point not in armed:
        return
    how, times = armed.pop(point)
    if times > 1:
        armed[point] = how, times - 1
    else:
        os.kill(os.getpid(), how)
