"""Who is told of what: `alerts:` of the last good schedule file, as the leader finds it in Redis."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from scheduler.model.alerts import EVENTS


@dataclass(frozen=True)
class Rule:
    """What is sent, for all schedules or for one. Durations are in seconds."""

    sinks: tuple[str, ...] = ()  #: names
    events: tuple[str, ...] = EVENTS
    failures: int = 1  #: in a row, before `failing` is sent
    cooldown: float = (
        0.0  #: after an alert, before the next about the same schedule; what changed meanwhile is one alert
    )
    reminder: float = 0.0  #: while it fails, an alert this often; 0 for none
    off: bool = False  #: the schedule is expected to fail

    def with_fields(self, given: Mapping[str, Any]) -> Rule:
        """The same with these fields; others are left out."""
        known = {one.name: given[one.name] for one in fields(self) if one.name in given}
        for name in ("sinks", "events"):
            if name in known:
                known[name] = tuple(map(str, known[name]))
        return replace(self, **known)


@dataclass(frozen=True)
class Rules:
    """Every sink and rule."""

    sinks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  #: name → {kind: options}
    rule: Rule = Rule()
    schedules: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  #: fields that differ, by schedule
    pings: Mapping[str, str] = field(default_factory=dict)  #: addresses by schedule, and that of SERVICE

    def of(self, schedule: str) -> Rule:
        """The rule of a schedule."""
        given = self.schedules.get(schedule)
        return self.rule.with_fields(given) if given else self.rule

    @classmethod
    def from_json(cls, text: str) -> Rules:
        """Read ``{"sinks": {name: {kind: options}}, "rule": {…}, "schedules": {name: {…}}}``; raises ValueError.

        A rule without `sinks` sends to all of them.
        """
        body = json.loads(text or "{}")
        if not isinstance(body, dict):
            raise ValueError("alerts are not an object")
        sinks = body.get("sinks", {})
        rule = Rule(sinks=tuple(sinks)).with_fields(body.get("rule", {}))
        return cls(sinks, rule, body.get("schedules", {}), body.get("pings", {}))
