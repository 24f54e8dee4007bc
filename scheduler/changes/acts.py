"""What a person does with one schedule: fields → validate → edit → write."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from scheduler import references
from scheduler.changes import plan
from scheduler.changes.common import ATTEMPTS, Invalid, Tasks, clock, line_of, needs_reschedule
from scheduler.errors import Conflict, NotFound, RefusedChange
from scheduler.model import Declared, Entry, Pause, Problem, SkipNext
from scheduler.sending.upcoming import due_instants, left_out
from scheduler.storage import entries
from scheduler.storage.entries import FROM_FILE, DamagedEntry
from scheduler.storage.instants import to_seconds
from scheduler.storage.store import Store, Write
from scheduler.validate import validate_fields


@dataclass(frozen=True)
class Restored:
    """What a schedule had before it was removed."""

    pause: Pause | None = None
    runs: int = 0
    why: str = ""


def change_entry(store: Store, name: str, by: str, what: str, change: Callable[[Entry], Entry], why: str = "") -> Entry:
    """Compute a change from the entry as it is now and write it; repeats itself when somebody else was faster."""
    try:
        for attempt in range(ATTEMPTS):
            before = store.get(name)
            after = change(before)
            moved = needs_reschedule(before, after)
            line = line_of(name, by, clock(), what, before, after, why)
            try:
                store.write([Write(name, before, after, reschedule=moved, audit=line)])
            except Conflict:
                if attempt == ATTEMPTS - 1:
                    raise
            else:
                return after
    except DamagedEntry as error:
        raise RefusedChange(f"'{name}' cannot be read: {error}; mend it first") from error
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
