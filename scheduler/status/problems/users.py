"""Who is going to send to a queue, or to a task in it."""

from __future__ import annotations

from scheduler.status.catalogue import FIELDS, read
from scheduler.status.problems.facts import Facts
from scheduler.storage.uses import Users


def used_by(facts: Facts, users: Users, queue: str, task: str = "") -> str:
    """The words for who sends; empty if all of them are gone, off, paused, or have no due instant.

    Those that are not stored by name may send, so they count: a line too many is better than a run that waits.
    """
    number, names = users
    active = [name for name, stored in facts.store.raw(names) if sends(name, stored, queue, task, facts.now)]
    number -= min(number, len(names) - len(active))
    if number == 1 and active:
        return f"which schedule '{active[0]}' uses"
    such = f", such as '{active[0]}'" if active else ""
    return f"which {number} schedule{'s use' if number > 1 else ' uses'}{such}" if number else ""


def sends(name: str, stored: dict[str, str], queue: str, task: str, now: float) -> bool:
    """Whether a schedule with this hash is going to send this task, or any, to this queue."""
    kept = read(name, {field: stored.get(field, "") for field in FIELDS}, {})
    goes_on = stored.get("due") and not kept.is_quarantined and not kept.is_off(now)
    return bool(goes_on) and kept.queue in ("", queue) and task in ("", kept.task)
