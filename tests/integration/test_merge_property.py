"""Random lives of a service: whatever file, page, beats and Redis do in turn, the rules of who wins hold.

A model keeps for each schedule what the rules say of it; after every step the stored schedules are those of the model,
and the audit log, read from its beginning, explains each of their fields.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from celery import Celery
from hypothesis import HealthCheck, Phase
from hypothesis import settings as limits
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from scheduler import changes
from scheduler.changes import plan, undo
from scheduler.changes.acts import reverted
from scheduler.errors import RefusedChange
from scheduler.model import TIMING_KINDS
from scheduler.sending.upcoming import left_out
from scheduler.settings import Settings
from scheduler.storage import entries
from scheduler.storage.instants import from_seconds
from scheduler.storage.store import Store
from tests.support.beats import lead, leads, running_beat, stand_by, write_file

NAMES = ("a", "b", "c", "d")
PAGE_NAMES = ("p", "d")
TASK = "scheduler.tasks.log_it"
DAYS = st.sampled_from([["2026-12-25"], ["2026-12-25", "2026-12-26"], ["2027-01-01"]])
FIELDS = st.fixed_dictionaries(
    {
        "args": st.sampled_from([[1, 2], [3, 4], [5, 6]]),
        "queue": st.sampled_from([None, "fast", "slow"]),
        "retries": st.sampled_from([None, 1, 2]),
        "timing": st.sampled_from([("every", "1h"), ("every", "2h"), ("cron", "0 3 * * *")]),
        "except": st.sampled_from([None, ["free"]]),
    }
)
KEYS = ["args", "queue", "retries", "timing", "except"]
KEPT = st.sets(st.sampled_from(KEYS))

Side = dict[str, Any]  # the fields of one side, the timing under one key


def in_words(side: Side) -> dict[str, Any]:
    """As the file writes it."""
    kind, text = side["timing"]
    rest = {key: value for key, value in side.items() if key != "timing" and value is not None}
    return {"task": TASK, kind: text, **rest}


def side_of(fields: dict[str, Any]) -> Side:
    """The other way round."""
    kind = next(kind for kind in TIMING_KINDS if kind in fields)
    return {"timing": (kind, fields[kind])} | {key: fields.get(key) for key in ("args", "queue", "retries", "except")}


START: Side = {"args": [1, 2], "queue": None, "retries": None, "timing": ("every", "1h"), "except": None}


@dataclass
class Expected:
    """A schedule as the rules would have it."""

    origin: str
    governs: Side
    said: Side = field(default_factory=dict)  #: by the file, last time
    pause: str | None = None
    skips: float | None = None  #: the due instant


class Life(RuleBasedStateMachine):
    """Two beats, a file that somebody edits, and a page."""

    store: Store
    service: Settings
    app: Celery

    def __init__(self) -> None:
        super().__init__()
        self.store.client.flushall()
        (self.service.state_dir / "snapshot.json").unlink(missing_ok=True)
        self.running = ExitStack()
        self.beats = [self.running.enter_context(running_beat(self.app)) for _ in range(2)]
        self.leader = self.beats[0]
        self.wanted: dict[str, Side] = {}
        self.renamed: dict[str, str] = {}
        self.broken = False
        self.expected: dict[str, Expected] = {}
        self.number = 0
        self.days = ["2026-12-25"]
        self.wanted = dict.fromkeys(NAMES[:3], START)
        self.save()
        self.change_something()

    def change_something(self) -> None:
        """So that there is from the start what can be undone, what cannot, and what a removal takes along."""
        for retries in (1, 2):
            side = START | {"retries": retries}
            changes.edit(self.store, "a", in_words(side), tasks=None, by="ann", why=self.why())
            self.expected["a"].governs = side
        changes.pause(self.store, "b", by="ann", note="from the start")
        self.expected["b"].pause = "from the start"

    def teardown(self) -> None:
        self.running.close()

    # the file

    def load(self) -> bool:
        """What the rules say of the file as it is; False where they refuse it."""
        if self.broken:
            return False
        wanted, of_file = self.wanted, {name for name, known in self.expected.items() if known.origin == "file"}
        renamed = {name: was for name, was in self.renamed.items() if name not in self.expected and was in of_file}
        gone = of_file - wanted.keys() - set(renamed.values())
        if 2 * len(gone) > len(of_file) and (len(gone) > 1 or len(gone) == len(of_file)):
            return False
        after = {name: known for name, known in self.expected.items() if name not in of_file}
        for name, said in wanted.items():
            known = self.expected.get(renamed.get(name, name))
            if known is None:
                after[name] = Expected("file", dict(said), said)
            elif known.governs == said:
                after[name] = replace(known, origin="file", said=said)
            elif known.said:  # also of one that left the file, and was brought back on the page
                changed = {key: value for key, value in said.items() if value != known.said[key]}
                after[name] = replace(known, origin="file", governs=known.governs | changed, said=said)
        self.expected = after
        return True

    def save(self) -> None:
        """A former name that is declared again is nobody's former name any more: the file would be refused."""
        self.broken = False
        self.renamed = {name: was for name, was in self.renamed.items() if was not in self.wanted}
        text = {name: in_words(side) for name, side in self.wanted.items()}
        for name, was in self.renamed.items():
            text[name]["renamed_from"] = was
        write_file(self.service, json.dumps({"calendars": {"free": self.days}, "schedules": text}))
        self.tick()

    def in_file(self, number: int) -> str:
        return sorted(self.wanted)[number % len(self.wanted)]

    @precondition(lambda self: self.wanted)
    @rule(number=st.integers(0, 9), side=FIELDS, keep=KEPT)
    def edit_in_the_file(self, number: int, side: Side, keep: set[str]) -> None:
        name = self.in_file(number)
        self.wanted = {**self.wanted, name: side | {key: self.wanted[name][key] for key in keep}}
        self.save()

    @rule(name=st.sampled_from(NAMES), side=FIELDS)
    def declare(self, name: str, side: Side) -> None:
        self.wanted = {name: side, **self.wanted}
        self.save()

    @precondition(lambda self: self.wanted)
    @rule(number=st.integers(0, 9))
    def take_out_of_the_file(self, number: int) -> None:
        gone = self.in_file(number)
        self.wanted = {name: side for name, side in self.wanted.items() if name != gone}
        self.renamed.pop(gone, None)
        self.save()

    @precondition(lambda self: self.wanted)
    @rule(number=st.integers(0, 9), new=st.sampled_from(NAMES))
    def rename_in_the_file(self, number: int, new: str) -> None:
        old = self.in_file(number)
        if new not in self.wanted:
            self.wanted = {new if name == old else name: side for name, side in self.wanted.items()}
            self.renamed.pop(old, None)
            self.renamed = {name: was for name, was in self.renamed.items() if was != old} | {new: old}
            self.save()

    @rule(days=DAYS)
    def change_the_calendar(self, days: list[str]) -> None:
        self.days = days
        self.save()

    @rule(text=st.sampled_from(["", "schedules: [", "schedules: {x: {every: 1h}}", "\0"]))
    def break_the_file(self, text: str) -> None:
        self.broken = True
        write_file(self.service, text)
        self.tick()

    # the page

    def some(self, number: int, *origins: str) -> str | None:
        names = [
            name for name, known in sorted(self.expected.items()) if known.origin in (origins or ("file", "admin"))
        ]
        return names[number % len(names)] if names else None

    @rule(
        number=st.integers(0, 9),
        side=FIELDS,
        keep=st.sets(st.sampled_from(["args", "queue", "retries", "timing", "except"])),
    )
    def edit_on_the_page(self, number: int, side: Side, keep: set[str]) -> None:
        if name := self.some(number):
            known = self.expected[name]
            side = side | {key: known.governs[key] for key in keep}
            fields = in_words(side)
            changes.edit(self.store, name, fields, tasks=None, by="ann", why=self.why())
            known.governs = side

    @rule(name=st.sampled_from(PAGE_NAMES), side=FIELDS)
    def make_on_the_page(self, name: str, side: Side) -> None:
        if name not in self.expected:
            changes.create(self.store, name, in_words(side), tasks=None, by="ann")
            self.expected[name] = Expected("admin", side)

    @rule(number=st.integers(0, 9))
    def remove_on_the_page(self, number: int) -> None:
        if name := self.some(number, "admin"):
            changes.remove(self.store, name, by="ann")
            del self.expected[name]

    @rule(number=st.integers(0, 9))
    def pause(self, number: int) -> None:
        if name := self.some(number):
            note = self.why()
            changes.pause(self.store, name, by="ann", note=note)
            self.expected[name].pause = note

    @rule(number=st.integers(0, 9))
    def skip_next(self, number: int) -> None:
        name = self.some(number)
        if name and self.expected[name].pause is None and self.expected[name].skips is None:
            found = changes.skip(self.store, name, by="ann", note=self.why()).skip
            self.expected[name].skips = found.due if found else None

    @rule(number=st.integers(0, 9))
    def resume(self, number: int) -> None:
        name = self.some(number)
        if name and self.expected[name].pause is not None:
            changes.resume(self.store, name, by="ann")
            self.expected[name].pause = None

    @rule(number=st.integers(0, 9))
    def run_what_was_skipped(self, number: int) -> None:
        name = self.some(number)
        if name and left_out(entry := self.store.get(name), entries.job(entry)) is not None:
            changes.unskip(self.store, name, by="ann")
            self.expected[name].skips = None

    @rule(number=st.integers(0, 9))
    def revert_to_the_file(self, number: int) -> None:
        if name := self.some(number, "file"):
            entry = self.store.get(name)
            changes.edit(self.store, name, reverted(entry, ""), tasks=None, by="ann", why=self.why())
            self.expected[name].governs = self.expected[name].said

    @rule(number=st.integers(0, 99))
    def undo_an_edit(self, number: int) -> None:
        """Refused where one of its fields was changed since."""
        edits = [
            line for line in self.store.audit.lines(10_000) if line["change"] == "edit" and undo.can_be_undone(line)
        ]
        edits = [line for line in edits if line["schedule"] in self.expected]
        if not edits:
            return
        line = edits[number % len(edits)]
        known, fields = self.expected[line["schedule"]], self.store.get(line["schedule"]).fields
        was, now = side_of(line["before"]), side_of(line["after"])
        changed = [key for key in KEYS if was[key] != now[key]]
        renamed = [side.get("renamed_from") for side in (line["before"], line["after"], fields)]
        as_it_was_left = renamed[0] == renamed[1] or renamed[1] == renamed[2]
        if as_it_was_left and all(known.governs[key] == now[key] for key in changed):
            undo.undo(self.store, line["id"], tasks=None, by="ann")
            known.governs = known.governs | {key: was[key] for key in changed}
        else:
            with pytest.raises(RefusedChange, match="has changed since"):
                undo.undo(self.store, line["id"], tasks=None, by="ann")

    @rule(number=st.integers(0, 99))
    def bring_back_what_was_removed(self, number: int) -> None:
        lines = [line for line in self.store.audit.lines(10_000) if line["change"] == "remove"]
        if lines := [line for line in lines if line["schedule"] not in self.expected]:
            line = lines[number % len(lines)]
            undo.undo(self.store, line["id"], tasks=None, by="ann")
            stop, skip = line.get("pause", [None])[0], line.get("skip", [None])[0]
            lasts = stop is not None and stop["until"] is None
            self.expected[line["schedule"]] = Expected(
                "admin",
                side_of(line["before"]),
                side_of(line["base"]) if line.get("base") else {},
                pause=stop["note"] if lasts else None,
                skips=skip["due"] if skip else None,
            )

    def why(self) -> str:
        self.number += 1
        return f"reason {self.number}"

    # beats and Redis

    def tick(self) -> None:
        """The leader reads the file again, and says what became of it."""
        self.leader.file.forget()
        lead(self.leader)
        assert (self.store.file_facts()["state"] == "applied") is self.load()

    @rule()
    def restart_the_leader(self) -> None:
        self.leader.close()
        self.tick()

    @rule()
    def let_the_other_lead(self) -> None:
        self.leader.close()
        self.leader = self.beats[1 - self.beats.index(self.leader)]
        self.tick()

    @rule()
    def let_the_standby_look(self) -> None:
        standby = self.beats[1 - self.beats.index(self.leader)]
        assert not leads(standby)
        stand_by(standby)

    @rule()
    def reload(self) -> None:
        self.tick()

    # what must always hold

    @invariant()
    def what_is_stored_is_what_the_rules_say(self) -> None:
        stored = self.store.all()
        assert stored.keys() == self.expected.keys()
        for name, known in self.expected.items():
            entry = stored[name]
            assert (entry.origin, entry.error) == (known.origin, "")
            assert side_of(entry.fields) == known.governs
            lasts = entry.pause is not None and entry.pause.until is None
            assert (entry.pause.note if entry.pause and lasts else None) == known.pause
            if known.skips is not None and entry.due is not None and from_seconds(known.skips) < entry.due:
                known.skips = None  # it is over
            assert (entry.skip.due if entry.skip else None) == known.skips
            if known.origin == "file":
                assert side_of(entry.base) == known.said
                assert entry.overlay.keys() == plan.compare(entry.base, entry.fields).keys()
                assert all(note.by == "ann" and (note.why or key) for key, note in entry.overlay.items())

    @invariant()
    def the_audit_log_explains_every_value(self) -> None:
        told: dict[str, dict[str, Any]] = {}
        for line in reversed(self.store.audit.lines(10_000)):
            name = line.get("schedule")
            if not name:
                continue
            if line["change"] == "rename":
                told.pop(line["why"].removeprefix("from ").split(";")[0], None)
            if line["after"] is None:
                told.pop(name, None)
            else:
                told[name] = line["after"]
        assert told == {name: entry.fields for name, entry in self.store.all().items()}


def test_whatever_happens_in_turn_the_rules_hold(celery: Celery, settings: Settings, store: Store) -> None:
    Life.app, Life.service, Life.store = celery, settings, store
    bounds = limits(
        max_examples=40,
        stateful_step_count=20,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Life, settings=bounds)
