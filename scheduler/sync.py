"""The single path by which schedules change: for the file, the page and the command line alike.

file → validate → plan → write, and for one schedule: fields → validate → edit → write.
"""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from scheduler import entries, faults, plan, references, schedule_file
from scheduler.advice import advise
from scheduler.entries import FROM_FILE, DamagedEntry
from scheduler.errors import Conflict, Exit, NotFound, RefusedChange
from scheduler.events import emit
from scheduler.instants import from_seconds, to_seconds
from scheduler.model import Declared, Entry, Pause, Problem, SkipNext
from scheduler.plan import Change, Plan
from scheduler.store import Store, Write, audit_line
from scheduler.upcoming import due_instants, left_out
from scheduler.validate import Validated, validate, validate_fields
from scheduler.watch import FileWatch

Tasks = Mapping[str, inspect.Signature | None] | None
TOLD, SHOWN = 20, 200  #: problems of a file that go to the journal, and to the page
ATTEMPTS = 5  #: how often a change is computed anew when somebody else was faster


class Invalid(RefusedChange):
    """What was asked for is not a valid schedule; ``problems`` says why."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


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


@dataclass(frozen=True)
class Restored:
    """What a schedule had before it was removed."""

    pause: Pause | None = None
    runs: int = 0
    why: str = ""


def clock() -> datetime:
    """Now, aware UTC."""
    return from_seconds(time.time())


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
            faults.reach("sync.before_write")
            progress()
            store.write(writes(wanted, by), token=token, progress=progress)
            faults.reach("sync.after_write")
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
    remedy = "if that is meant, run `python3 -m scheduler apply --allow-remove`"
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


def needs_reschedule(before: Entry, after: Entry) -> bool:
    """Whether beat must look at the entry at another time than it thinks."""
    return before.due != after.due or before.pause != after.pause or bool(before.error)


def describe(change: Change, by: str, now: datetime) -> dict[str, Any]:
    line = line_of(change.name, by, now, change.kind, change.before, change.after, change.why)
    if change.dropped:
        line["dropped"] = {name: note.value for name, note in change.dropped.items()}
    return line


def line_of(
    name: str, by: str, now: datetime, what: str, before: Entry | None, after: Entry | None, why: str = ""
) -> dict[str, Any]:
    """The audit line of a change of one entry, with all that is needed to undo it."""
    was, then = (entry.fields if entry else None for entry in (before, after))
    line = audit_line(by, now, what, was, then, why, schedule=name)
    pauses = [asdict(entry.pause) if entry and entry.pause else None for entry in (before, after)]
    if pauses[0] != pauses[1]:
        line["pause"] = pauses
    skips = [asdict(entry.skip) if entry and entry.skip else None for entry in (before, after)]
    if skips[0] != skips[1]:
        line["skip"] = skips
    if after is None and before is not None:
        line["runs"] = before.total_run_count
    return line


def load_for_beat(
    store: Store,
    watch: FileWatch,
    tasks: Tasks,
    token: str,
    *,
    since: datetime | None = None,
    progress: Callable[[], None] = lambda: None,
) -> bool:
    """Load the file as leader; False for one that is wrong: the last good schedules stay, its problems are shown."""
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
        store.note_file(facts | {"state": "rejected", "problems": "\n".join(problems[:SHOWN])})
        return False
    emit("file.applied", file=file, summary=done.summary())
    return True


# one schedule


def change_entry(store: Store, name: str, by: str, what: str, change: Callable[[Entry], Entry], why: str = "") -> Entry:
    """Compute a change from the entry as it is now and write it; repeats itself when somebody else was faster."""
    for attempt in range(ATTEMPTS):
        before = store.get(name)
        try:
            after = change(before)
        except DamagedEntry as error:
            raise RefusedChange(f"'{name}' cannot be read: {error}; mend it first") from error
        line = line_of(name, by, clock(), what, before, after, why)
        try:
            moved = needs_reschedule(before, after)
            store.write([Write(name, before, after, reschedule=moved, audit=line)])
        except DamagedEntry as error:
            raise RefusedChange(f"'{name}' cannot be read: {error}; mend it first") from error
        except Conflict:
            if attempt == ATTEMPTS - 1:
                raise
        else:
            return after
    raise Conflict


def edit(
    store: Store,
    name: str,
    fields: Mapping[str, Any],
    *,
    tasks: Tasks,
    by: str,
    revision: int | None = None,
    why: str = "",
) -> Entry:
    """Set a schedule's fields. Raises Invalid, or Conflict when ``revision`` is not what is stored any more."""
    declared = gate(store, name, fields, tasks)

    def change(entry: Entry) -> Entry:
        if revision is not None and entry.revision != revision:
            raise Conflict(f"'{name}' was changed since you opened it: look at it again, then repeat your edit")
        if entry.origin == "redbeat":
            raise RefusedChange(f"'{name}' belongs to the program that saved it with RedBeat's API: change it there")
        refuse_references(declared, entry.base)
        return plan.edit(entry, declared, by, clock(), why)

    return change_entry(store, name, by, "edit", change, why)


def create(
    store: Store,
    name: str,
    fields: Mapping[str, Any],
    *,
    tasks: Tasks,
    by: str,
    restored: Restored | None = None,
) -> Entry:
    """Make a schedule of origin ``admin``; one that is ``restored`` has its pause and the number of its runs back."""
    declared = gate(store, name, fields, tasks)
    refuse_references(declared, {})
    entry = Entry(name=name, origin="admin", fields=declared.fields(), due=declared.timing().next_due(clock()))
    if restored:
        entry = replace(entry, pause=restored.pause, total_run_count=restored.runs)
    what, why = ("restore", restored.why) if restored else ("create", "")
    store.write([Write(name, None, entry, audit=line_of(name, by, clock(), what, None, entry, why))])
    return entry


def gate(store: Store, name: str, fields: Mapping[str, Any], tasks: Tasks) -> Declared:
    """The one way in: what the file would refuse is refused here too. Calendars are those of the file."""
    calendars = json.loads(store.file_facts().get("calendars", "{}"))
    declared, problems = validate_fields(name, fields, tasks=tasks, calendars=calendars)
    if declared is None:
        raise Invalid(tuple(problem for problem in problems if problem.severity == "error"))
    return declared


def refuse_references(declared: Declared, base: Mapping[str, Any]) -> None:
    """Raise Invalid where a page refers to variables or files of the worker that the file does not refer to."""
    places = references.added(declared.fields(), base)
    remedy = "declare it there, or write $${ for ${ itself"
    if places:
        raise Invalid(tuple(Problem(FROM_FILE, remedy, declared.name, str(path[0])) for path in places))


def remove(store: Store, name: str, *, by: str, why: str = "", seen: Entry | None = None) -> None:
    """Remove a schedule of origin ``admin``; the file's are removed in the file.

    Raises Conflict if it is not as it was ``seen`` any more.
    """
    entry = seen or store.get(name)
    if entry.origin == "file":
        raise RefusedChange(f"'{name}' is declared in the schedule file: remove it there, or pause it")
    line = line_of(name, by, clock(), "remove", entry, None, why)
    store.write([Write(name, entry, None, audit=line)])


def pause(store: Store, name: str, *, by: str, note: str = "", until: datetime | None = None, why: str = "") -> Entry:
    """Stop a schedule, until a time or until it is resumed; it survives reload, restart and deploy."""
    if until is not None and until <= clock():
        raise RefusedChange(f"{until:%Y-%m-%d %H:%M:%S} UTC is over already: give a time to come")
    stop = Pause(by, clock().timestamp(), note, None if until is None else to_seconds(until))
    return change_entry(store, name, by, "pause", lambda entry: replace(entry, pause=stop), why or note)


def resume(store: Store, name: str, *, by: str, why: str = "") -> Entry:
    """End a pause now. Beat records what was paused, and goes on at the next due instant."""

    def ended(entry: Entry) -> Entry:
        if entry.pause is None:
            raise NotFound(f"'{name}' is not paused: there is nothing to resume")
        return replace(entry, pause=replace(entry.pause, until=clock().timestamp()))

    return change_entry(store, name, by, "resume", ended, why)


def skip(store: Store, name: str, *, by: str, note: str = "", only: datetime | None = None, why: str = "") -> Entry:
    """Leave out the next due instant that would be sent; the ledger says by whom, and the one after runs as ever.

    Raises RefusedChange where ``only`` names a due instant, and that is not the next one.
    """

    def marked(entry: Entry) -> Entry:
        job = entries.job(entry)
        if (told := left_out(entry, job)) is not None:
            raise RefusedChange(f"'{name}' skips {told:%Y-%m-%d %H:%M:%S} UTC already: undo that first")
        due = next(due_instants(entry, job, clock()), None)
        if due is None:
            raise NotFound(f"'{name}' has no next run that could be skipped")
        if only not in (None, due):
            raise RefusedChange(f"{only:%Y-%m-%d %H:%M:%S} UTC is not the next run of '{name}'")
        return replace(entry, skip=SkipNext(by, clock().timestamp(), to_seconds(due), note))

    return change_entry(store, name, by, "skip", marked, why or note)


def unskip(store: Store, name: str, *, by: str, why: str = "") -> Entry:
    """Let the due instant run that somebody asked to skip."""

    def cleared(entry: Entry) -> Entry:
        if left_out(entry, entries.job(entry)) is None:
            raise NotFound(f"'{name}' skips nothing: there is nothing to undo")
        return replace(entry, skip=None)

    return change_entry(store, name, by, "unskip", cleared, why)
