"""A sink that takes no alerts."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from scheduler.command_name import with_command_name
from scheduler.status.problems.facts import Facts
from scheduler.status.problems.problem import ServiceProblem
from scheduler.storage.alerts import SINK


def look(facts: Facts) -> Iterator[ServiceProblem]:
    """Name each sink of the file whose last delivery failed."""
    for name, state in facts.sinks.items():
        if state.since:
            many = "1 alert was" if state.given_up == 1 else f"{state.given_up} alerts were"
            lost = f"; {many} given up" if state.given_up else ""
            sentence = f"Alerts do not reach the sink '{name}': {state.error}{lost}"
            test = f"`scheduler alerts test {shlex.quote(name)}`"
            remedy = with_command_name(f"correct it under `alerts:` in the schedule file, then try {test}")
            yield ServiceProblem(sentence, remedy, "warning", f"{SINK}{name}", state.since)
