"""The schedule file: file → validate → plan → write."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from scheduler import faults, schedule_file
from scheduler.changes import plan
from scheduler.changes.common import ATTEMPTS, Invalid, Tasks, clock, line_of, needs_reschedule
from scheduler.changes.plan import Change, Plan
from scheduler.errors import Conflict, Exit, RefusedChange
from scheduler.events import emit
from scheduler.model import Problem
from scheduler.schedule_file.watch import FileWatch
from scheduler.storage.store import Store, Write
from scheduler.validate import Validated, validate
from scheduler.validate.advice import advise

TOLD, SHOWN = 20, 200  #: problems of a file that go to the journal, and to the page


class Unreadable(Invalid):
    """There is no file to read; ``problems`` says why."""

    exit_code = Exit.NO_INPUT


@dataclass(frozen=True)
class Checked:
    """A schedule file that was read and judged."""

    validated: Validated
    digest: str
    path: Path
    calendars: Mapping[str, Any]
    positions: schedule_file.Positions
    patterns: tuple[str, ...] = ()  #: what it includes
    files: tuple[Path, ...] = ()  #: which files those are
    unended: tuple[str, ...] = ()  #: those that end inside a line

    @property
    def is_unreadable(self) -> bool:
        """Whether the file itself could not be read: what is wrong in it has a position."""
        return any(problem.position is None and not problem.schedule for problem in self.validated.errors)

    def advice(self) -> tuple[Problem, ...]:
        """Warnings about the year to come, each at its place in the file."""
        told = advise(self.validated.declared, clock())
        return tuple(replace(it, position=self.positions.nearest(("schedules", it.schedule, it.key))) for it in told)


def check(path: Path, tasks: Tasks) -> Checked:
    """Read and judge a file; touches neither Redis nor a running service."""
    document = schedule_file.read(path)
    calendars = document.data.get("calendars")
    valid = validate(document, tasks=tasks)
    known = calendars if isinstance(calendars, dict) else {}
    found = document.patterns, document.files, document.unended
    return Checked(valid, document.digest, path, known, document.positions, *found)


def plan_for(store: Store, checked: Checked, since: datetime | None = None) -> Plan:
    """What loading the file would change; raises Invalid when the file has errors.

    What is new falls due after ``since``, which is now unless the schedules were lost.
    """
    if not checked.validated.ok:
        raise (Unreadable if checked.is_unreadable else Invalid)(checked.validated.errors)
    return plan.plan_file(store.all(), checked.validated.declared, since or clock(), checked.calendars)


def apply(
    store: Store,
    checked: Checked,
    *,
    by: str,
    token: str = "",
    allow_remove: bool = False,
    since: datetime | None = None,
    progress: Callable[[], None] = lambda: None,
) -> Plan:
    """Load the file in one atomic step. Raises Invalid, RefusedChange or Conflict with no change made."""
    for attempt in range(ATTEMPTS):
        wanted = plan_for(store, checked, since)
        if not allow_remove:
            refuse_doubtful(checked, wanted)
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


def refuse_doubtful(checked: Checked, wanted: Plan) -> None:
    """Raise RefusedChange for a removal that looks like an accident: of most schedules, or by a file cut short."""
    remedy = "if that is meant, run `scheduler apply --allow-remove`"
    removal = f"would remove {wanted.removals} of {wanted.stored} schedules, so nothing was changed"
    if wanted.is_mass_removal:
        raise RefusedChange(f"{checked.path} {removal}: {remedy}")
    if wanted.removals and checked.unended:
        what = f"{checked.unended[0]} ends inside a line, as if cut short, and {removal}"
        raise RefusedChange(f"{what}: end that line with a line break; {remedy}")


def note_applied(store: Store, checked: Checked, done: Plan, *, is_leaders: bool) -> None:
    """Remember what was applied. Where it is the file that the leader reads, what was wrong with it is mended."""
    now, path = str(clock().timestamp()), str(checked.path.resolve())
    facts = {"calendars": json.dumps(checked.calendars), "applied": now}
    if is_leaders or store.file_facts().get("path", path) == path:
        conflicts = [str(change) for change in done.changes if change.kind == "conflict"]
        facts |= {"path": path, "digest": checked.digest, "read": now, "summary": done.summary()}
        facts |= {"state": "applied", "problems": "\n".join(conflicts)}
    store.note_file(facts)


def writes(wanted: Plan, by: str) -> list[Write]:
    """A plan's changes as the store takes them."""
    now = clock()
    found: list[Write] = []
    for change in wanted.changes:
        if change.kind == "conflict":
            continue
        line = describe(change, by, now)
        if change.kind == "rename" and change.before is not None and change.after is not None:
            found.append(Write(change.before.name, change.before, None, moved_to=change.name))
            found.append(Write(change.name, None, change.after, audit=line))
        else:
            moved = change.before is None or change.after is None or needs_reschedule(change.before, change.after)
            found.append(Write(change.name, change.before, change.after, reschedule=moved, audit=line))
    return found


def describe(change: Change, by: str, now: datetime) -> dict[str, Any]:
    line = line_of(change.name, by, now, change.kind, change.before, change.after, change.why)
    if change.dropped:
        line["dropped"] = {name: note.value for name, note in change.dropped.items()}
    return line


def load_for_beat(
    store: Store,
    watch: FileWatch,
    tasks: Tasks,
    token: str,
    *,
    since: datetime | None = None,
    progress: Callable[[], None] = lambda: None,
) -> list[str]:
    """Load the file as leader; returns what is wrong with it: then the last good schedules stay."""
    file = watch.path
    checked = check(file, tasks)
    watch.follow(checked.patterns, certain=checked.validated.ok)
    progress()
    try:
        by = f"file {file.name} {checked.digest}"
        done = apply(store, checked, by=by, token=token, since=since, progress=progress)
    except RefusedChange as error:
        problems = str(error).splitlines()
        emit("file.rejected", file=file, count=len(problems), problem=problems[0])
        for problem in problems[1:TOLD]:
            emit("file.problem", problem=problem)
        facts = {"path": str(file.resolve()), "digest": checked.digest, "read": str(clock().timestamp())}
        store.note_file(facts | {"state": "rejected", "problems": "\n".join(error.args[0].splitlines()[:SHOWN])})
        return problems
    emit("file.applied", file=file, summary=done.summary())
    return []
