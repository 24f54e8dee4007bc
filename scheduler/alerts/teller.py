"""Decides what is said, from changes of health and from the list of problems. It knows no Redis and no clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Protocol

from scheduler.alerts.alert import Alert
from scheduler.alerts.messages import because, grouped, linked, new_id, of_change, of_service, remedy
from scheduler.alerts.rules import Rule, Rules
from scheduler.storage.alerts import SINK, HealthChange
from scheduler.storage.records import loads, read_or, record

PROBLEM_LASTS_S = 20.0  #: seconds for which a problem of the service must be there, or gone, before it is said
UNSTARTED = "unstarted:"  #: what the keys of late and stuck schedules begin with
PROBLEM = "problem:"
#: What the keys of schedules begin with, by the event; each kind has its own state, cooldown and reminder.
PREFIXES = {"missed": "missed:", "slow": "slow:", "in time": "slow:"}
SCHEDULE = "schedule:"
#: The last lines that the run of a change printed, and what changed before its schedule began to fail.
Context = Callable[[HealthChange], tuple[str, tuple[str, ...]]]


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

    state: str = "ok"  #: or ``failing``, ``late``, ``stuck``, ``slow``
    at: float = 0.0  #: when it was said
    since: float = 0.0  #: when it began to fail
    reason: str = ""
    pending: str = ""  #: the HealthChange that waits for the end of the cooldown, as JSON


class Teller:
    """Collects in one look the ``alerts`` for each sink, and in ``said`` what to store with them."""

    def __init__(
        self, rules: Rules, stored: Mapping[str, str], page: str = "", context: Context = lambda _: ("", ())
    ) -> None:
        self.rules, self.context = rules, context
        self.page = page  #: its address, for links; empty for none
        read = {key: read_or(None, lambda text: record(Told, loads(text)), text) for key, text in stored.items()}
        self.told = {key: told for key, told in read.items() if told and not key.startswith(":")}
        self.differs_since: dict[str, float] = {}  #: problems that are there, or gone, contrary to what was said
        self.unstarted_since: dict[tuple[str, str], float] = {}  #: the same of schedules, by key and state
        self.alerts: list[tuple[str, Alert]] = []
        self.said: dict[str, str] = {}

    def take(self) -> tuple[list[tuple[str, str]], dict[str, str]]:
        """The alerts since the last call, grouped, as (sink, JSON), and what to store with them."""
        alerts = [(sink, alert.to_json()) for sink, alert in grouped(self.alerts, self.page)]
        said, self.alerts, self.said = self.said, [], {}
        return alerts, said

    # schedules

    def change(self, change: HealthChange, now: float) -> None:
        """Take a change of health into account; it is said at once, or after the cooldown."""
        key, rule = PREFIXES.get(change.event, SCHEDULE) + change.name, self.rules.of(change.name)
        told = self.told.get(key, Told())
        if change.event in ("failing", "lost") and change.count == 1 and told.state == "failing" and not told.pending:
            told = Told()  # the schedule of that name which failed before was removed
        if change.event == "missed" and (earlier := pending(told)):
            change = replace(change, since=earlier.since, count=earlier.count + change.count)
        self.note(key, replace(told, pending=json.dumps(asdict(change))))
        self.say_pending(key, rule, now)

    def later(self, now: float) -> None:
        """Say what waited for the end of a cooldown."""
        for key, told in list(self.told.items()):
            if told.pending:
                self.say_pending(key, self.rule_of(key), now)
            elif told.state == "ok" and now - told.at >= self.rule_of(key).cooldown:
                self.note(key, None)

    def rule_of(self, key: str) -> Rule:
        """The rule of a schedule; of the service, because no schedule has a colon in its name."""
        return self.rules.of(key.partition(":")[2])

    def reminders(self, now: float) -> dict[str, str]:
        """The schedules whose last alert said that they are failing or slow and whose `reminder` is due, by key."""
        due = {}
        for key, told in self.told.items():
            is_theirs = key.startswith((SCHEDULE, PREFIXES["slow"])) and told.state != "ok" and not told.pending
            if is_theirs and not self.rule_of(key).off and is_reminded(self.rule_of(key), told, now):
                due[key] = key.partition(":")[2]
        return due

    def remind(self, key: str, count: int, now: float) -> None:
        """Say again that this schedule fails, ``count`` times in a row by now, or is slow; 0 forgets it instead."""
        name, told = key.partition(":")[2], self.told[key]
        if not count:
            return self.note(key, None)
        why, what = told.reason, remedy(name, told.state)
        alert = Alert(new_id(), told.state, "warning", name, now, told.since, None, why, what, count=count)
        self.add(self.rule_of(key), alert)
        self.note(key, replace(told, at=now))

    def say_pending(self, key: str, rule: Rule, now: float) -> None:
        told = self.told.get(key)
        if rule.off:
            return self.note(key, None)
        if told is None or not told.pending or (told.at and now - told.at < rule.cooldown):
            return
        change = pending(told)
        event = change and due_event(change, rule, told)
        told = replace(told, pending="")
        if not change or not event:
            return self.note(key, told if told.at else None)
        if event in rule.events:
            self.add(rule, of_change(change, event, now, *(self.context(change) if event != "recovered" else ())))
        state = {"recovered": "ok", "missed": "ok", "slow": "slow"}.get(event, "failing")
        if state == "ok" and not rule.cooldown:
            return self.note(key, None)
        self.note(key, Told(state, now, change.since, because(change)))

    # the service

    def problems(self, named: Iterable[tuple[str, ServiceProblem]], now: float, hidden: Collection[str] = ()) -> None:
        """Compare the problems that are there, each with its kind, with those that were said, but ``hidden`` kinds."""
        there = {f"{PROBLEM}{kind}:{problem.subject}": problem for kind, problem in named}
        known = {key for key, told in self.told.items() if key.startswith(PROBLEM) and told.state != "ok"}
        known = {key for key in known if key.split(":", 2)[1] not in hidden}
        differing = there.keys() ^ known
        self.differs_since = {key: self.differs_since.get(key, now) for key in differing}
        lasting = [key for key, since in self.differs_since.items() if now - since >= PROBLEM_LASTS_S]
        reminded = [key for key in there.keys() & known if is_reminded(self.rules.rule, self.told[key], now)]
        for key in lasting + reminded:
            told = self.told.get(key, Told())
            if not told.at or now - told.at >= self.rules.rule.cooldown:
                self.say_problem(key, there.get(key), told, now)

    def say_problem(self, key: str, problem: ServiceProblem | None, told: Told, now: float) -> None:
        """Say that a problem is there, or solved; a sink that the file names no more is forgotten."""
        subject = key.split(":", 2)[2]
        sink = subject.removeprefix(SINK) if key.startswith(f"{PROBLEM}alerts:") else ""
        if problem:
            since, why = told.since or problem.since or self.differs_since[key], problem.sentence
            alert = Alert(new_id(), "problem", problem.severity, subject, now, since, None, why, problem.remedy)
            self.note(key, Told("failing", now, since, why))
        elif sink and sink not in self.rules.sinks:
            return self.note(key, None)
        else:
            alert = Alert(new_id(), "recovered", "ok", subject, now, told.since, reason=told.reason)
            self.note(key, Told("ok", now) if self.rules.rule.cooldown else None)
        self.say(alert, but=sink)

    def say(self, alert: Alert, but: str = "") -> None:
        """Say something about the service, if the rule for all wants to hear it; not to the sink that it is about."""
        if alert.event in self.rules.rule.events:
            self.add(self.rules.rule, of_service(alert), but)

    # schedules whose runs do not start

    def unstarted(
        self, those: Mapping[str, tuple[str, ServiceProblem]], now: float, *, is_complete: bool = True
    ) -> None:
        """Compare the schedules that are late or stuck, each with that word, with what the last alerts said.

        Unless ``is_complete``, a schedule that is not among them counts as unchanged, not as well.
        """
        said = {key: told.state for key, told in self.told.items() if key.startswith(UNSTARTED)}
        there = {UNSTARTED + name: state for name, (state, _) in those.items()}
        well = [key for key in said if key not in there] if is_complete else []
        states = {**dict.fromkeys(well, "ok"), **there}
        differing = {(key, state) for key, state in states.items() if said.get(key, "ok") != state}
        self.unstarted_since = {it: self.unstarted_since.get(it, now) for it in differing}
        for (key, state), since in self.unstarted_since.items():
            if now - since >= PROBLEM_LASTS_S:
                name = key.removeprefix(UNSTARTED)
                self.say_unstarted(name, state, those[name][1] if state != "ok" else None, now)
        for name, (state, problem) in those.items():
            key = UNSTARTED + name
            if said.get(key) == state and is_reminded(self.rules.of(name), self.told[key], now):
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

    def add(self, rule: Rule, alert: Alert, but: str = "") -> None:
        alert = linked(alert, self.page)
        self.alerts += [(sink, alert) for sink in rule.sinks if sink in self.rules.sinks and sink != but]

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
    if change.event in ("recovered", "in time"):
        return "recovered" if told.state != "ok" else ""
    if change.event in ("missed", "slow"):
        return change.event if told.state == "ok" else ""
    if told.state == "failing":
        return ""
    if change.event == "lost" and "lost" in rule.events:
        return "lost"
    return "failing" if change.count >= rule.failures else ""


def pending(told: Told) -> HealthChange | None:
    """The change that waits for the end of the cooldown."""
    return read_or(None, lambda text: HealthChange(**loads(text)), told.pending) if told.pending else None


def is_reminded(rule: Rule, told: Told, now: float) -> bool:
    """Whether it is time to repeat the last alert."""
    return bool(rule.reminder) and now - told.at >= rule.reminder
