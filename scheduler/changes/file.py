"""Load the schedule file: file → validate → plan → write."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from scheduler import faults, schedule_file
from scheduler.application.brought import NOTHING, Brought
from scheduler.changes import plan
from scheduler.changes.common import ATTEMPTS, Invalid, Tasks, clock, line_of, needs_reschedule
from scheduler.changes.followed import CONFIRM, is_followed, place_of
from scheduler.changes.plan import Change, Plan
from scheduler.errors import Conflict, Exit, RefusedChange
from scheduler.events import emit
from scheduler.model import Declared, Problem
from scheduler.model.alerts import SERVICE
from scheduler.schedule_file.watch import FileWatch
from scheduler.storage.store import Store, Write
from scheduler.validate import Validated, validate, validate_beside
from scheduler.validate.advice import advise

TasksFor = Callable[[tuple[str, ...]], Tasks]  #: the tasks that exist beside a file that imports these modules
OVERRIDDEN = "the application's beat_schedule declares it too, and the file's counts"
NO_FILE = "there is no {}: only the schedules of the application run"
MAX_LOGGED = 20  #: problems of one file in the log
MAX_STORED = 200  #: problems of one file on the page


class Unreadable(Invalid):
    """The file cannot be read; see ``problems``."""

    exit_code = Exit.NO_INPUT


@dataclass(frozen=True)
class Checked:
    """A schedule file, read and validated."""

    validated: Validated
    digest: str
    path: Path
    calendars: Mapping[str, Any]
    positions: schedule_file.Positions
    patterns: tuple[str, ...] = ()  #: from `include:`
    files: tuple[Path, ...] = ()  #: the included files
    unended: tuple[str, ...] = ()  #: files whose last line has no line break
    imports: tuple[str, ...] = ()
    brought: Brought = NOTHING  #: what the application declares itself
    beside: Mapping[str, Declared] = field(default_factory=dict)  #: of that, what can be loaded
    beside_problems: tuple[Problem, ...] = ()
    is_missing: bool = False  #: whether there is no file, only an application that declares schedules

    @property
    def is_unreadable(self) -> bool:
        """Whether the file could not be read at all: problems inside it would have a position."""
        return any(problem.position is None and not problem.schedule for problem in self.validated.errors)

    @property
    def declared(self) -> dict[str, Declared]:
        """The schedules of the file, and of the application those that the file does not declare."""
        return {**self.beside, **self.validated.declared}

    @property
    def broken(self) -> frozenset[str]:
        """Schedules of the application that cannot be loaded: those that were loaded before stay as they are."""
        return self.brought.unsaid | (self.brought.fields.keys() - self.beside.keys())

    def notes(self) -> tuple[Problem, ...]:
        """Problems of what the application declares, which do not stop the file, and what the file overrides."""
        named = self.validated.declared.keys()
        overridden = [
            Problem(OVERRIDDEN, "delete one of the two", name, severity="warning")
            for name in self.brought.fields
            if name in named
        ]
        missing = [Problem(NO_FILE.format(self.path), severity="warning")] if self.is_missing else []
        return (*missing, *(problem for problem in self.beside_problems if problem.schedule not in named), *overridden)

    def advice(self) -> tuple[Problem, ...]:
        """Warnings about the coming year, with positions."""
        warnings = advise(self.validated.declared, clock())
        return tuple(
            replace(it, position=self.positions.nearest(("schedules", it.schedule, it.key))) for it in warnings
        )


def check(path: Path, tasks: Tasks | TasksFor, brought: Brought = NOTHING) -> Checked:
    """Read and validate a file, without Redis or a running service; ``brought`` is what the application declares."""
    document = schedule_file.read(path)
    missing = bool(brought.sources) and not os.path.lexists(path)
    if missing:
        document = schedule_file.empty(path)
    if callable(tasks):
        tasks = tasks(document.imports)
    calendars = document.data.get("calendars")
    valid = validate(document, tasks=tasks)
    known = calendars if isinstance(calendars, dict) else {}
    included = document.patterns, document.files, document.unended, document.imports
    beside, wrong = validate_beside(document, brought.fields, tasks=tasks)
    problems = (*brought.problems, *(replace(it, what=f"the application's beat_schedule: {it.what}") for it in wrong))
    return Checked(
        valid, document.digest, path, known, document.positions, *included, brought, beside, problems, missing
    )


def plan_for(store: Store, checked: Checked, since: datetime | None = None) -> Plan:
    """The changes that loading the file would make; raises Invalid if the file has errors.

    New schedules fall due after ``since`` (default: now; earlier if Redis lost the schedules).
    """
    if not checked.validated.ok:
        raise (Unreadable if checked.is_unreadable else Invalid)(checked.validated.errors)
    stored = store.all()
    if checked.is_missing and any(entry.origin == "file" for entry in stored.values()):
        raise Unreadable(schedule_file.read(checked.path).problems)
    return plan.plan_file(
        stored,
        checked.declared,
        since or clock(),
        checked.calendars,
        store.zone(),
        app=checked.beside.keys() - checked.validated.declared.keys(),
        kept=checked.broken,
    )


def apply(
    store: Store,
    checked: Checked,
    *,
    by: str,
    token: str = "",
    allow_remove: bool = False,
    other_file: bool = False,
    since: datetime | None = None,
    progress: Callable[[], None] = lambda: None,
) -> Plan:
    """Load the file in one atomic step. Raises Invalid, RefusedChange or Conflict, and then changes nothing.

    ``other_file`` says that a person confirmed a file that the leader does not follow.
    """
    for attempt in range(ATTEMPTS):
        wanted = plan_for(store, checked, since)
        if not allow_remove:
            if not token:
                refuse_other_application(checked, wanted)
            refuse_doubtful(checked, wanted, other_file=other_file)
        try:
            faults.reach("changes.before_write")
            progress()
            store.write(writes(wanted, by), token=token, progress=progress)
            faults.reach("changes.after_write")
        except Conflict:
            if attempt == ATTEMPTS - 1:
                raise
            emit("file.conflict", file=checked.path)
        else:
            note_applied(store, checked, wanted, is_leaders=bool(token))
            return wanted
    raise Conflict


def refuse_doubtful(checked: Checked, wanted: Plan, *, other_file: bool = False) -> None:
    """Raise RefusedChange for removals that look like an accident: of most schedules, or by a file cut short."""
    # The file is named, because a command without it may read another one where its reader types it.
    options = f"--allow-remove {CONFIRM}" if other_file else "--allow-remove"
    remedy = f"if you mean it, run `scheduler apply {options} {shlex.quote(str(checked.path.resolve()))}`"
    removal = f"would remove {wanted.removals} of {wanted.stored} schedules, so nothing was changed"
    if wanted.is_mass_removal:
        raise RefusedChange(f"{checked.path} {removal}: {remedy}")
    if wanted.removals and checked.unended:
        what = f"{checked.unended[0]} has no line break at its end, as if cut short, and {removal}"
        raise RefusedChange(f"{what}: add the line break; {remedy}")


def refuse_other_application(checked: Checked, wanted: Plan) -> None:
    """Raise RefusedChange if this command does not see the application whose schedules it would remove."""
    if not checked.brought.sources and any(is_removal_of_app(it) for it in wanted.changes):
        raise RefusedChange(
            "beat's application declares schedules in its beat_schedule, which this command does not see, so "
            "nothing was changed: set SCHEDULER_CELERY_APP and SCHEDULER_IMPORTS as beat has them"
        )


def is_removal_of_app(change: Change) -> bool:
    return change.kind == "remove" and change.before is not None and change.before.origin == "app"


def note_applied(store: Store, checked: Checked, done: Plan, *, is_leaders: bool) -> None:
    """Store facts about the applied file. If it is the leader's file, this clears its earlier problems."""
    now = str(clock().timestamp())
    facts = {"calendars": json.dumps(checked.calendars), "applied": now}
    facts["inherited"] = json.dumps(checked.validated.inherited)
    facts["groups"] = json.dumps(checked.validated.groups) if checked.validated.groups else ""
    if is_leaders or is_followed(store.file_facts(), checked.path):
        conflicts = [str(change) for change in done.changes if change.kind == "conflict"]
        conflicts += [str(problem) for problem in checked.notes() if problem.severity == "error"]
        facts |= place_of(checked.path)
        facts |= {"digest": checked.digest, "read": now, "summary": done.summary()}
        facts |= {"state": "applied", "problems": "\n".join(conflicts), "imports": json.dumps(checked.imports)}
        facts |= alert_facts(checked)
    store.note_file(facts)


def alert_facts(checked: Checked) -> dict[str, str]:
    """Who is told of what, and which schedules are expected to fail: the list of problems needs these without sinks."""
    alerts, declared = checked.validated.alerts, checked.declared.items()
    pings = {name: it.schedule.ping for name, it in declared if it.schedule.ping}
    if checked.validated.ping:
        pings[SERVICE] = checked.validated.ping
    own = {name: it.schedule.alerts for name, it in declared if it.schedule.alerts}
    expected = sorted(name for name, alerts_of_it in own.items() if alerts_of_it.off)
    return {
        "alerts": json.dumps(alerts.stored(own, pings)) if alerts.sinks or pings else "",
        "expected_to_fail": json.dumps(expected) if expected else "",
    }


def writes(wanted: Plan, by: str) -> list[Write]:
    """A plan's changes as writes to the store."""
    now = clock()
    batch: list[Write] = []
    for change in wanted.changes:
        if change.kind == "conflict":
            continue
        line = describe(change, by, now)
        if change.kind == "rename" and change.before is not None and change.after is not None:
            batch.append(Write(change.before.name, change.before, None, moved_to=change.name))
            batch.append(Write(change.name, None, change.after, audit=line))
        else:
            moved = change.before is None or change.after is None or needs_reschedule(change.before, change.after)
            batch.append(Write(change.name, change.before, change.after, reschedule=moved, audit=line))
    return batch


def describe(change: Change, by: str, now: datetime) -> dict[str, Any]:
    """The change as a line of the audit log, with the overlay's values that it dropped."""
    line = line_of(change.name, by, now, change.kind, change.before, change.after, change.why)
    if change.dropped:
        line["dropped"] = {name: note.value for name, note in change.dropped.items()}
    return line


def load_for_beat(
    store: Store,
    watch: FileWatch,
    tasks: Tasks | TasksFor,
    token: str,
    *,
    brought: Brought = NOTHING,
    since: datetime | None = None,
    progress: Callable[[], None] = lambda: None,
) -> list[str] | None:
    """Load the file as leader. Returns its problems, if any: then the last good schedules stay.

    None if it lacks schedules and changed just now: who writes it may pause. ``watch`` tells of it again.
    """
    file = watch.path
    checked = check(file, tasks, brought)
    watch.follow(checked.patterns, certain=checked.validated.ok)
    progress()
    if is_shorter(checked, watch) and not watch.has_settled_for(watch.settled_without):
        return None
    for note in checked.notes():
        emit("application.note", problem=note)
    try:
        by = f"file {file.name} {checked.digest}"
        done = apply(store, checked, by=by, token=token, since=since, progress=progress)
    except RefusedChange as error:
        problems = str(error).splitlines()
        emit("file.rejected", file=file, count=len(problems), problem=problems[0])
        for problem in problems[1:MAX_LOGGED]:
            emit("file.problem", problem=problem)
        facts = place_of(file) | {"digest": checked.digest, "read": str(clock().timestamp())}
        store.note_file(facts | {"state": "rejected", "problems": "\n".join(error.args[0].splitlines()[:MAX_STORED])})
        return problems
    emit("file.applied", file=file, summary=done.summary())
    watch.names = checked.validated.declared.keys()
    return []


def is_shorter(checked: Checked, watch: FileWatch) -> bool:
    """Whether a valid file lacks schedules that it declared when it was loaded last."""
    return checked.validated.ok and bool(watch.names - checked.validated.declared.keys())
