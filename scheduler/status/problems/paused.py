"""Schedules that were paused because they failed too often in a row."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from scheduler.command_name import with_command_name
from scheduler.status.problems.facts import Facts
from scheduler.status.problems.problem import ServiceProblem

PAUSER = "the service"  #: as ``_pause.lua`` writes it
MAX_READ = 100


def look(facts: Facts) -> Iterator[ServiceProblem]:
    """Name those that are still paused, the first that was paused first."""
    paused = facts.client.zrange(facts.keys.paused, 0, MAX_READ - 1, withscores=True)
    since = dict(paused)
    for entry in facts.store.read(since) if paused else ():
        if entry.pause is not None and entry.pause.by == PAUSER and entry.pause.until is None:
            remedy = with_command_name(f"mend it, then `scheduler resume {shlex.quote(entry.name)}`")
            sentence = f"schedule '{entry.name}' is paused after {entry.pause.note}"
            yield ServiceProblem(sentence, remedy, subject=entry.name, since=since[entry.name])
