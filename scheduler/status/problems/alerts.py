"""A sink that takes no alerts."""

from __future__ import annotations

from collections.abc import Iterator

from scheduler.status.problems.facts import Facts
from scheduler.status.problems.problem import ServiceProblem
from scheduler.storage.alerts import sink_states
from scheduler.storage.records import loads, mapping, read_or


def look(facts: Facts) -> Iterator[ServiceProblem]:
    """Name each sink of the file whose last delivery failed."""
    declared = read_or(frozenset[str](), sinks, facts.file.get("alerts", ""))
    for name, state in sorted(sink_states(facts.client, facts.keys).items()):
        if state.since and name in declared:
            many = "1 alert was" if state.given_up == 1 else f"{state.given_up} alerts were"
            lost = f"; {many} given up" if state.given_up else ""
            sentence = f"Alerts do not reach the sink '{name}': {state.error}{lost}"
            remedy = f"correct it under `alerts:` in the schedule file, then try `scheduler alerts test {name}`"
            yield ServiceProblem(sentence, remedy, "warning", "alerts", state.since)


def sinks(text: str) -> frozenset[str]:
    """The sinks of the last good file; raises ValueError or TypeError."""
    return frozenset(mapping(mapping(loads(text)).get("sinks", {})))
