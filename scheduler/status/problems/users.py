"""Who is going to send to a queue, or to a task in it."""

from __future__ import annotations

from scheduler.status.catalogue import FIELDS, read
from scheduler.status.problems.facts import Facts
from scheduler.storage.records import loads, mapping, read_or
from scheduler.storage.uses import Users


def used_by(facts: Facts, users: Users, queue: str, task: str = "") -> str:
    """Say it; empty if all of them are gone, off, paused, or have no due instant.

    Those that are not stored by name may send, so they count: a line too many is better than a run that waits.
    """
    number, names = users
    active = [name for name, stored in facts.store.raw(names) if sends(name, stored, queue, task, facts.now)]
    number = len(active) if number <= len(names) else number
    if number == 1:
        return f"which schedule '{active[0]}' uses"
    such = f", such as '{active[0]}'" if active else ""
    return f"which {number} schedules use{such}" if number else ""


def sends(name: str, stored: dict[str, str], queue: str, task: str, now: float) -> bool:
    """Whether a schedule with this hash is going to send this task, or any, to this queue."""
    kept = read(name, {field: stored.get(field, "") for field in FIELDS}, {})
    goes_on = stored.get("due") and not kept.is_quarantined and not kept.is_off(now)
    return bool(goes_on) and kept.queue in ("", queue) and task in ("", task_of(stored))


def task_of(stored: dict[str, str]) -> str:
    """The task of a schedule with this hash."""
    return read_or("", lambda text: str(mapping(loads(text)).get("task")), stored.get("definition", ""))
