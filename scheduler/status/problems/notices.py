"""What beat and workers note in Redis for a while, because a person has to know it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from scheduler.status.problems.facts import Facts
from scheduler.status.problems.problem import ServiceProblem


class Notice(NamedTuple):
    """The part of the service that a kind of notice is about, and what to do where its text does not say it."""

    subject: str
    remedy: str = ""


#: By the kinds of ``Keys.notice``.
ABOUT = {
    "loss": Notice("redis", "compare the schedules with what you expect; this line goes after a day"),
    "snapshot": Notice("beat"),
    "broker": Notice("broker", "start it, or correct SCHEDULER_BROKER_URL"),
    "messages": Notice("workers"),
    "kind": Notice("redis", "give each program its own Redis database or key prefix"),
    "given_up": Notice("workers"),
    "flask": Notice("workers"),
    "followers": Notice("beat"),
}


def look(facts: Facts) -> Iterator[ServiceProblem]:
    """Show every notice that has not expired."""
    for kind, text in facts.notices.items():
        if kind == "tasks":
            continue  # unless a better line says it, see ``problems.tasks``
        about = ABOUT[kind]
        yield ServiceProblem(text, about.remedy, subject=about.subject, part=kind)
