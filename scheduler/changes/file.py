"""Load the schedule file: file → validate → plan → write."""

from __future__ import annotations

import secrets
import shlex
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from scheduler import faults, schedule_file
from scheduler.application.brought import NOTHING, Brought
from scheduler.changes import plan
from scheduler.changes.checked import Checked, TasksFor, check
from scheduler.changes.common import ATTEMPTS, Invalid, Tasks, line_of, needs_reschedule
from scheduler.changes.facts import note_applied
from scheduler.changes.followed import CONFIRM, place_of
from scheduler.changes.plan import Change, Plan
from scheduler.errors import Conflict, Exit, RefusedChange
from scheduler.events import emit
from scheduler.model import Declared
from scheduler.schedule_file.watch import FileWatch
from scheduler.storage.instants import clock
from scheduler.storage.store import Store, Write
from scheduler.storage.write import revisions_of

MAX_LOGGED = 20  #: problems of one file in the log
MAX_STORED = 200  #: problems of one file on the page


class Unreadable(Invalid):
    """The file cannot be read; see ``problems``."""

    exit_code = Exit.NO_INPUT


def plan_for(
    store: Store, checked: Checked, since: datetime | None = None, progress: Callable[[], None] = lambda: None
) -> Plan:
    """The changes that loading the file would make; raises Invalid if the file has errors.

    New schedules fall due after ``since`` (default: now; earlier if Redis lost the schedules). ``progress`` is called
    for each schedule.
    """
    if not checked.validated.ok:
        raise (Unreadable if checked.is_unreadable else Invalid)(checked.validated.errors)
    stored = store.all(progress)
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
        progress=progress,
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
    circumstances: str = "",
    queue_of: Callable[[Declared], str] | None = None,
) -> Plan:
    """Load the file in one atomic step. Raises Invalid, RefusedChange or Conflict, and then changes nothing.

    ``other_file`` says that a person confirmed a file that the leader does not follow. With ``circumstances``, the next
    start of the leader need not load the file again, see ``settled.py``.
    """
    for attempt in range(ATTEMPTS):
        revision = store.revision()
        wanted = plan_for(store, checked, since, progress)
        if not allow_remove:
            if not token:
                refuse_other_application(checked, wanted)
            refuse_doubtful(checked, wanted, other_file=other_file)
        try:
            faults.reach("changes.before_write")
            progress()
            batch = writes(wanted, by)
            store.write(batch, token=token, progress=progress)
            faults.reach("changes.after_write")
        except Conflict:
            if attempt == ATTEMPTS - 1:
                raise
            emit("file.conflict", file=checked.path)
        else:
            revision += revisions_of(batch)
            is_alone = store.revision() == revision  # nobody else changed an entry meanwhile
            settles = (circumstances, revision) if circumstances and is_alone else None
            note_applied(store, checked, wanted, is_leaders=bool(token), settles=settles, queue_of=queue_of)
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


def writes(wanted: Plan, by: str) -> list[Write]:
    """A plan's changes as writes to the store; those of one kind are one group of the audit log."""
    now, load = clock(), secrets.token_hex(8)
    kinds = Counter(change.kind for change in wanted.changes)
    batch: list[Write] = []
    for change in wanted.changes:
        if change.kind == "conflict":
            continue
        line = describe(change, by, now)
        if kinds[change.kind] > 1:
            line["group"] = f"{load}-{change.kind}"
        if change.kind == "rename" and change.before is not None and change.after is not None:
            batch.append(Write(change.before.name, change.before, None, moved_to=change.name))
            batch.append(Write(change.name, None, change.after, audit=line))
        else:
            moved = change.before is None or change.after is None or needs_reschedule(change.before, change.after)
            batch.append(Write(change.name, change.before, change.after, moved, declared=change.declared, audit=line))
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
    circumstances: Callable[[], str] = str,
    queue_of: Callable[[Declared], str] | None = None,
) -> list[str] | None:
    """Load the file as leader. Returns its problems, if any: then the last good schedules stay.

    None if it lacks schedules and changed just now: who writes it may pause. ``watch`` tells of it again.
    """
    file = watch.path
    checked = check(file, tasks, brought, progress)
    watch.follow(checked.patterns, certain=checked.validated.ok, read=checked.digest)
    progress()
    if is_shorter(checked, watch) and not watch.has_settled_for(watch.settled_without):
        return None
    for note in checked.notes():
        emit("application.note", problem=note)
    try:
        by = f"file {file.name} {checked.digest}"
        same = circumstances()
        leaders = partial(apply, store, checked, by=by, token=token, queue_of=queue_of)
        done = leaders(since=since, progress=progress, circumstances=same)
    except RefusedChange as error:
        problems = str(error).splitlines()
        emit("file.rejected", file=file, count=len(problems), problem=problems[0])
        for problem in problems[1:MAX_LOGGED]:
            emit("file.problem", problem=problem)
        facts = place_of(file) | {"digest": checked.digest, "read": str(clock().timestamp())}
        store.note_file(facts | {"state": "rejected", "problems": "\n".join(error.args[0].splitlines()[:MAX_STORED])})
        return problems
    emit("file.applied", file=file, summary=done.summary())
    watch.names = " ".join(checked.validated.declared)
    return []


def is_shorter(checked: Checked, watch: FileWatch) -> bool:
    """Whether a valid file lacks schedules that it declared when it was loaded last."""
    return checked.validated.ok and not checked.validated.declared.keys() >= set(watch.names.split())
