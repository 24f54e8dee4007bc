"""Decides what is said, from changes of health and from the list of problems. It knows no Redis and no clock."""

from __future__ import annotations

import json
import shlex
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Protocol

from scheduler.alerts.alert import MAX_SUBJECTS, Alert
from scheduler.alerts.rules import Rule, Rules
from scheduler.command_name import with_command_name
from scheduler.model import Reason
from scheduler.storage.alerts import HealthChange
from scheduler.storage.records import loads, read_or, record

PROBLEM_LASTS_S = 20.0  #: seconds for which a problem of the service must be there, or gone, before it is said
UNSTARTED = "unstarted:"  #: what the keys of late and stuck schedules begin with
MAX_SINGLE = 3  #: alerts of one event for one sink in one look; more become one message
REMEDY = "see `scheduler history {name}`; the next run that succeeds ends this"


class ServiceProblem(Protocol):
    """A line of the one list of problems."""

    @property
    def sentence(self) -> str: ...
    @property
    def remedy(self) -> str: ...
    @property
    def severity(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def since(self) -> float | None: ...


@dataclass(frozen=True)
class Told:
    """What the last alert about a schedule or problem said. Times are epoch seconds."""

    state: str = "ok"  #: or ``failing``, ``late``, ``stuck``
    at: float = 0.0  #: when it was said
    since: float = 0.0  #: when it began to fail
    reason: str = ""
    pending: str = ""  #: the HealthChange that waits for the end of the cooldown, as JSON


class Teller:
    """Collects in one look the ``alerts`` for each sink, and in ``said`` what to store with them."""

    def __init__(self, rules: Rules, stored: Mapping[str, str]) -> None:
        self.rules = rules
        found = {key: read_or(None, lambda text: record(Told, loads(text)), text) for key, text in stored.items()}
        self.told = {key: told for key, told in found.items() if told and not key.startswith(":")}
        self.differs_since: dict[str, float] = {}  #: problems that are there, or gone, contrary to what was said
        self.unstarted_since: dict[tuple[str, str], float] = {}  #: the same of schedules, by key and state
        self.alerts: list[tuple[str, Alert]] = []
        self.said: dict[str, str] = {}

    def take(self) -> tuple[list[tuple[str, str]], dict[str, str]]:
        """The alerts since the last call, grouped, as (sink, JSON), and what to store with them."""
        alerts = [(sink, alert.to_json()) for sink, alert in grouped(self.alerts)]
        said, self.alerts, self.said = self.said, [], {}
        return alerts, said

    # schedules

    def change(self, change: HealthChange, now: float) -> None:
        """Take a change of health into account; it is said at once, or after the cooldown."""
        key, rule = f"schedule:{change.name}", self.rules.of(change.name)
        told = self.told.get(key, Told())
        if change.event != "recovered" and change.count == 1 and told.state == "failing" and not told.pending:
            told = Told()  # the schedule of that name which failed before was removed
        self.note(key, replace(told, pending=json.dumps(asdict(change))))
        self.say_pending(key, rule, now)

    def later(self, now: float) -> None:
        """Say what waited for the end of a cooldown."""
        for key, told in list(self.told.items()):
            if told.pending:
                self.say_pending(key, self.rules.of(key.removeprefix("schedule:")), now)
            elif told.state == "ok" and key.startswith(("schedule:", UNSTARTED)) and self.cooled(told, key, now):
                self.note(key, None)

    def cooled(self, told: Told, key: str, now: float) -> bool:
        return now - told.at >= self.rules.of(key.partition(":")[2]).cooldown

    def reminders(self, now: float) -> list[str]:
        """The schedules whose last alert said that they fail, and whose `reminder` is due."""
        names = []
        for key, told in self.told.items():
            name = key.removeprefix("schedule:")
            rule = self.rules.of(name)
            wait = rule.reminder if name != key and told.state == "failing" and not rule.off else 0.0
            if wait and not told.pending and now - told.at >= wait:
                names.append(name)
        return names

    def remind(self, name: str, count: int, now: float) -> None:
        """Say again that this schedule fails, ``count`` times in a row by now; 0 says nothing and forgets it."""
        key, rule = f"schedule:{name}", self.rules.of(name)
        told = self.told[key]
        if not count:
            return self.note(key, None)
        self.add(
            rule,
            Alert(new_id(), "failing", "warning", name, now, told.since, None, told.reason, remedy(name), count=count),
        )
        self.note(key, replace(told, at=now))

    def say_pending(self, key: str, rule: Rule, now: float) -> None:
        told = self.told.get(key)
        if rule.off:
            return self.note(key, None)
        if told is None or not told.pending or (told.at and now - told.at < rule.cooldown):
            return
        change = read_or(None, lambda text: HealthChange(**loads(text)), told.pending)
        event = change and due_event(change, rule, told)
        told = replace(told, pending="")
        if not change or not event:
            return self.note(key, told if told.at else None)
        if event in rule.events:
            self.add(rule, of_change(change, event, now))
        if event == "recovered" and not rule.cooldown:
            return self.note(key, None)
        self.note(key, Told("ok" if event == "recovered" else "failing", now, change.since, because(change)))

    # the service

    def problems(self, found: Iterable[tuple[str, ServiceProblem]], now: float) -> None:
        """Compare the problems that are there, each with its kind, with those that were said."""
        there = {f"problem:{kind}:{problem.subject}": problem for kind, problem in found}
        known = {key for key in self.told if key.startswith("problem:")}
        differing = there.keys() ^ known
        self.differs_since = {key: self.differs_since.get(key, now) for key in differing}
        for key in [key for key, since in self.differs_since.items() if now - since >= PROBLEM_LASTS_S]:
            subject = key.split(":", 2)[2]
            if problem := there.get(key):
                since = problem.since or self.differs_since[key]
                alert = Alert(
                    new_id(), "problem", problem.severity, subject, now, since, None, problem.sentence, problem.remedy
                )
                self.note(key, Told("failing", now, since, problem.sentence))
            else:
                told = self.told[key]
                alert = Alert(new_id(), "recovered", "ok", subject, now, told.since, reason=told.reason)
                self.note(key, None)
            self.say(alert)

    def say(self, alert: Alert) -> None:
        """Say something about the service, if the rule for all wants to hear it."""
        if alert.event in self.rules.rule.events:
            self.add(self.rules.rule, alert)

    # schedules whose runs do not start

    def unstarted(
        self, found: Mapping[str, tuple[str, ServiceProblem]], now: float, *, is_complete: bool = True
    ) -> None:
        """Compare the schedules that are late or stuck, each with that word, with what the last alerts said.

        Unless ``is_complete``, a schedule that is not among them counts as unchanged, not as well.
        """
        said = {key: told.state for key, told in self.told.items() if key.startswith(UNSTARTED)}
        there = {UNSTARTED + name: state for name, (state, _) in found.items()}
        well = [key for key in said if key not in there] if is_complete else []
        states = {**dict.fromkeys(well, "ok"), **there}
        differing = {(key, state) for key, state in states.items() if said.get(key, "ok") != state}
        self.unstarted_since = {it: self.unstarted_since.get(it, now) for it in differing}
        for (key, state), since in self.unstarted_since.items():
            if now - since >= PROBLEM_LASTS_S:
                name = key.removeprefix(UNSTARTED)
                self.say_unstarted(name, state, found[name][1] if state != "ok" else None, now)
        for name, (state, problem) in found.items():
            reminder = self.rules.of(name).reminder
            if said.get(UNSTARTED + name) == state and reminder and now - self.told[UNSTARTED + name].at >= reminder:
                self.say_unstarted(name, state, problem, now)

    def say_unstarted(self, name: str, state: str, problem: ServiceProblem | None, now: float) -> None:
        """Say that a schedule is late, stuck or well, unless its rule's cooldown or silence forbids it."""
        key, rule = UNSTARTED + name, self.rules.of(name)
        told = self.told.get(key, Told())
        if rule.off:
            return self.note(key, None)
        if told.at and now - told.at < rule.cooldown:
            return
        if problem:
            since, why = problem.since or now, problem.sentence
            alert = Alert(new_id(), state, problem.severity, name, now, since, None, why, problem.remedy)
            self.note(key, Told(state, now, since, why))
        else:
            alert = Alert(new_id(), "recovered", "ok", name, now, told.since, reason=told.reason)
            self.note(key, Told("ok", now) if rule.cooldown else None)
        if alert.event in rule.events:
            self.add(rule, alert)

    def add(self, rule: Rule, alert: Alert) -> None:
        self.alerts += [(sink, alert) for sink in rule.sinks if sink in self.rules.sinks]

    def note(self, key: str, told: Told | None) -> None:
        """Remember what was said, and store it with the alerts; None to forget it."""
        if told is None:
            if self.told.pop(key, None) is None:
                return
            self.said[key] = ""
        else:
            self.told[key] = told
            self.said[key] = json.dumps(asdict(told))


def due_event(change: HealthChange, rule: Rule, told: Told) -> str:
    """What is to be said of a change; empty for nothing, because it was said, or too few runs failed."""
    if change.event == "recovered":
        return "recovered" if told.state == "failing" else ""
    if told.state == "failing":
        return ""
    if change.event == "lost" and "lost" in rule.events:
        return "lost"
    return "failing" if change.count >= rule.failures else ""


def of_change(change: HealthChange, event: str, now: float) -> Alert:
    """The alert about a schedule. What the successful run printed is nothing to tell."""
    well = event == "recovered"
    return Alert(
        new_id(),
        event,
        "ok" if well else "warning",
        change.name,
        now,
        change.since or None,
        change.due or None,
        "" if well else because(change),
        "" if well else remedy(change.name),
        "" if well else change.output,
        count=change.count,
    )


def because(change: HealthChange) -> str:
    """Why the run failed or was lost, in a sentence."""
    sentence = next((known.sentence for known in Reason if known.value == change.reason), "")
    return ": ".join(part for part in (sentence, " ".join(change.detail.split())) if part)


def remedy(name: str) -> str:
    return with_command_name(REMEDY.format(name=shlex.quote(name)))


def new_id() -> str:
    return uuid.uuid4().hex


def grouped(alerts: Iterable[tuple[str, Alert]]) -> list[tuple[str, Alert]]:
    """The same, but where a sink gets more than MAX_SINGLE of one event, one message with the first subjects."""
    by_event: dict[tuple[str, str], list[Alert]] = {}
    for sink, alert in alerts:
        by_event.setdefault((sink, alert.event), []).append(alert)
    made = []
    for (sink, event), several in by_event.items():
        made += [(sink, alert) for alert in ([group(event, several)] if len(several) > MAX_SINGLE else several)]
    return made


def group(event: str, alerts: list[Alert]) -> Alert:
    """One alert about many."""
    worst = next((level for level in ("critical", "warning") if any(it.severity == level for it in alerts)), "ok")
    subjects = tuple(alert.title() if event == "problem" else alert.subject for alert in alerts[:MAX_SUBJECTS])
    since = min((alert.since for alert in alerts if alert.since), default=None)
    return Alert(new_id(), event, worst, "", alerts[0].at, since, None, "", "", count=len(alerts), subjects=subjects)
