"""One act on many schedules: what it would do, the act, its undo. One reason, one group of the audit log."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from scheduler.changes import chosen_runs, plan, undo
from scheduler.changes.acts import (
    change_entry,
    gate,
    refuse_references,
    remove,
    reverted,
    skipping,
    unskipped,
)
from scheduler.changes.common import DECLARED_IN
from scheduler.changes.pauses import pausing, resumed
from scheduler.changes.runs import Known, retry, stop
from scheduler.errors import NotFound, RefusedChange, SchedulerError
from scheduler.model import Entry
from scheduler.model.run import UNDER_WAY
from scheduler.sending.dispatch import Dispatcher
from scheduler.storage.audit import AUDIT_LENGTH
from scheduler.storage.instants import clock
from scheduler.storage.ledger import Ledger
from scheduler.storage.store import Store, Write
from scheduler.validate import Reserved

MAX_AT_ONCE = 2_000  #: schedules of one act: each has its own line in the audit log, which keeps 10,000
OF_RUNS = ("run", "stop", "retry")  #: change no schedule, and cannot be undone
OPERATE = (*OF_RUNS, "pause", "resume", "skip", "unskip")
EDIT = ("enable", "disable", "spread", "tag", "untag", "revert", "delete")
GROUP_BYTES = 8
DEFAULT_SPREAD = "10m"
UNWRITTEN = "…"  #: in the place of a tag


@dataclass(frozen=True)
class Asked:
    """What a person asks for."""

    act: str  #: one of OPERATE and EDIT
    by: str
    why: str = ""
    until: datetime | None = None  #: end of a pause
    value: str = ""  #: a tag, or the jitter of a spread


@dataclass
class Answer:
    """What was or would be done to which schedules, and why nothing to the others."""

    done: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)
    pairs: list[tuple[Entry, Entry]] = field(default_factory=list)  #: of a dry run: each before and after
    group: str = ""  #: of the lines in the audit log


class Grouped(Store):
    """The store, with a group in each line of the audit log."""

    def __init__(self, store: Store, group: str) -> None:
        super().__init__(store.client, store.keys)
        self.group = group

    def write(self, changes: Sequence[Write], *, token: str = "", progress: Callable[[], None] = lambda: None) -> None:
        marked = [replace(change, audit={**change.audit, "group": self.group}) for change in changes]
        super().write(marked, token=token, progress=progress)


@dataclass(frozen=True)
class Bulk:
    """The parts of the service that it needs."""

    store: Store
    ledger: Ledger
    dispatcher: Dispatcher
    known: Known

    def forecast(self, asked: Asked, names: Sequence[str]) -> Answer:
        """What the act would do; changes nothing. Raises RefusedChange for too many, or for what suits no schedule."""
        answer, change = Answer(), self._change(asked, names)
        latest = self.ledger.latest(names) if asked.act == "run" else {}
        for entry in self.store.read(names):
            last = latest.get(entry.name)
            try:
                if last and last.outcome in UNDER_WAY and entry.fields.get("overlap", "skip") != "allow":
                    raise RefusedChange(f"'{entry.name}' is {last.outcome} already")
                self._runs(asked, entry.name)
                answer.pairs.append((entry, change(entry)))
                answer.done.append(entry.name)
            except SchedulerError as error:
                answer.left[entry.name] = str(error)
        return answer

    def carry_out(self, asked: Asked, names: Sequence[str]) -> Answer:
        """Do it to each that allows it; the others stay as they are. Raises what ``forecast`` does."""
        if asked.act in ("tag", "untag") and not asked.value:
            raise RefusedChange("no tag is given: write one")
        change, group = self._change(asked, names), secrets.token_hex(GROUP_BYTES)
        store, answer = Grouped(self.store, group), Answer(group=group)
        for name in names:
            try:
                self._one(asked, name, store, change)
                answer.done.append(name)
            except SchedulerError as error:
                answer.left[name] = str(error)
        return answer

    def _one(self, asked: Asked, name: str, store: Grouped, change: Callable[[Entry], Entry]) -> None:
        if asked.act == "run":
            self.dispatcher.run_now(change(store.get(name)), asked.by)
        elif asked.act in OF_RUNS:
            change(store.get(name))
            self._act_on_runs(asked, self._runs(asked, name), store.group)
        elif asked.act == "delete":
            remove(store, name, by=asked.by, why=asked.why)
        else:
            what = asked.act if asked.act in OPERATE else "edit"
            change_entry(store, name, asked.by, what, change, asked.why)

    def _runs(self, asked: Asked, name: str) -> list[str]:
        """The runs of a schedule that the act is for; raises RefusedChange without one."""
        if asked.act == "stop":
            return chosen_runs.under_way(self.ledger, name)
        return [chosen_runs.newest_bad(self.ledger, name)] if asked.act == "retry" else []

    def _act_on_runs(self, asked: Asked, run_ids: Sequence[str], group: str) -> None:
        """Stop or retry them; raises what none of them allows, such as when all have just ended."""
        how, refusals = {"by": asked.by, "note": asked.why, "group": group}, list[SchedulerError]()
        for run_id in run_ids:
            try:
                if asked.act == "stop":
                    stop(self.ledger, run_id, **how)
                else:
                    retry(self.dispatcher, self.store, self.ledger, run_id, **how)
            except (NotFound, RefusedChange) as refusal:
                refusals.append(refusal)
        if len(refusals) == len(run_ids):
            raise refusals[0]

    def _change(self, asked: Asked, names: Sequence[str]) -> Callable[[Entry], Entry]:
        """What the act makes of an entry."""
        if len(names) > MAX_AT_ONCE:
            raise RefusedChange(f"{len(names)} schedules are more than {MAX_AT_ONCE} at once: narrow the search")
        of_entry: dict[str, Callable[[Entry], Entry]] = {
            **dict.fromkeys(OF_RUNS, as_it_is),
            "resume": resumed,
            "skip": skipping(asked.by, asked.why),
            "unskip": unskipped,
            "delete": deletable,
        }
        if asked.act == "pause":
            return readable(pausing(asked.by, asked.why, asked.until, lambda _: "resume it first"))
        change = of_entry.get(asked.act) or self._edit(asked)
        return change if asked.act == "stop" else readable(change)

    def _edit(self, asked: Asked) -> Callable[[Entry], Entry]:
        """The change of an act that edits fields, checked as any edit."""

        def edited(entry: Entry) -> Entry:
            if entry.origin == "redbeat":
                raise RefusedChange(f"'{entry.name}' was created by another program with RedBeat's API")
            before = {key: value for key, value in entry.fields.items() if key != "excluded"}
            fields = to_declared(entry) if asked.act == "revert" else before | changed(asked, before)
            if fields == before:
                raise RefusedChange(f"'{entry.name}' is so already")
            kept = (entry.fields, *([entry.base] if entry.base else []))
            reserved = Reserved(self.known.file_only, kept)
            declared = gate(self.store, entry.name, fields, self.known.tasks, reserved)
            refuse_references(declared, entry.base)
            return plan.edit(entry, declared, asked.by, clock(), asked.why)

        return edited

    def undo(self, group: str, by: str) -> Answer:
        """Undo each line of a group, the newest first; raises NotFound if the audit log has none."""
        lines = [line for line in self.store.audit.lines(AUDIT_LENGTH) if line.get("group") == group]
        if not lines:
            raise NotFound("the audit log no longer has these changes")
        new = secrets.token_hex(GROUP_BYTES)
        store, answer = Grouped(self.store, new), Answer(group=new)
        entries = {entry.name: entry for entry in self.store.read(str(line["schedule"]) for line in lines)}
        for line in lines:
            name, why = str(line["schedule"]), f"undo of {line['change']} by {line['by']}, {line['id']}"
            try:
                wanted = undo.find(line, entries.get(name))
                undo.carry_out(store, wanted, self.known.tasks, by, why, self.known.file_only)
                answer.done.append(name)
            except SchedulerError as error:
                answer.left[name] = str(error)
        return answer


def changed(asked: Asked, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that an act sets."""
    tags = list(fields.get("tags", ()))
    if asked.act in ("enable", "disable"):
        return {"enabled": asked.act == "enable"} if fields.get("enabled", True) != (asked.act == "enable") else {}
    if asked.act == "spread":
        return {"jitter": asked.value or DEFAULT_SPREAD}
    if asked.act == "tag" or not asked.value:  # a dry run comes before a person writes the tag
        return {"tags": [*tags, asked.value or UNWRITTEN]} if asked.value not in tags else {}
    return {"tags": [tag for tag in tags if tag != asked.value]}


def to_declared(entry: Entry) -> dict[str, Any]:
    """The fields as its file or application declares them; raises RefusedChange where they are so."""
    if not entry.overlay:
        raise RefusedChange(f"'{entry.name}' does not differ from what is declared")
    return reverted(entry, "")


def readable(change: Callable[[Entry], Entry]) -> Callable[[Entry], Entry]:
    """The change, refused for an entry that is quarantined."""

    def checked(entry: Entry) -> Entry:
        if entry.error:
            raise RefusedChange(f"'{entry.name}' cannot be read: {entry.error}")
        return change(entry)

    return checked


def as_it_is(entry: Entry) -> Entry:
    return entry


def deletable(entry: Entry) -> Entry:
    if entry.is_declared:
        raise RefusedChange(f"'{entry.name}' is declared in {DECLARED_IN[entry.origin]}: remove it there, or pause it")
    return entry


def unique(names: Iterable[str]) -> list[str]:
    """The names, each once, in their order."""
    return list(dict.fromkeys(names))
