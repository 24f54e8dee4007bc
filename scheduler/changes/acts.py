"""Changes that a person makes to one schedule: fields → validate → edit → write."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from scheduler import references
from scheduler.changes import named, plan
from scheduler.changes.common import ATTEMPTS, DECLARED_IN, Invalid, Tasks, line_of, needs_reschedule
from scheduler.errors import Conflict, NotFound, RefusedChange
from scheduler.model import TIMING_KINDS, Declared, Entry, Overlaid, Pause, Problem, SkipNext
from scheduler.sending.upcoming import due_instants, left_out
from scheduler.storage import entries
from scheduler.storage.entries import FROM_FILE, DamagedEntry
from scheduler.storage.instants import clock, to_seconds
from scheduler.storage.store import Store, Write
from scheduler.validate import Reserved, validate_fields


@dataclass(frozen=True)
class Restored:
    """What a restored schedule gets back beside its fields."""

    pause: Pause | None = None
    skip: SkipNext | None = None
    runs: int = 0
    base: dict[str, Any] = field(default_factory=dict)  #: what the file said of it, empty if it was the page's
    overlay: dict[str, Overlaid] = field(default_factory=dict)
    why: str = ""


def change_entry(store: Store, name: str, by: str, what: str, change: Callable[[Entry], Entry], why: str = "") -> Entry:
    """Compute a change from the stored entry and write it; tries again if another change came first."""
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
        raise RefusedChange(f"'{name}' cannot be read: {error}; fix it first") from error
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
    file_only: Collection[str] = (),
) -> Entry:
    """Set a schedule's fields. Raises Invalid, or Conflict if the stored revision is not ``revision``.

    The arguments of ``file_only`` tasks may stay as they are, or be set back to the file's.
    """
    seen = store.get(name)
    declared = gate(store, name, fields, tasks, Reserved(file_only, (seen.fields, *([seen.base] if seen.base else []))))

    def change(entry: Entry) -> Entry:
        if revision is not None and entry.revision != revision:
            raise Conflict(f"'{name}' has changed since you opened it: look at it again, then repeat your edit")
        if entry.origin == "redbeat":
            raise RefusedChange(f"'{name}' was created by another program with RedBeat's API: change it there")
        refuse_references(declared, entry.base)
        return plan.edit(entry, declared, by, clock(), why)

    return change_entry(store, name, by, "edit", change, why)


def revert(
    store: Store, name: str, field: str = "", *, tasks: Tasks, by: str, file_only: Collection[str] = ()
) -> Entry:
    """Drop the overlay of one field, of all if none is named: the declared values apply again. Timing keys go together.

    Raises NotFound if there is none, Invalid or Conflict.
    """
    entry = store.get(name)
    source = "application" if entry.origin == "app" else "file"
    if not (field in entry.overlay if field else entry.overlay):
        raise NotFound(f"'{name}' does not differ from the {source}: there is nothing to revert")
    why = f"reverted {field or 'all'} to the {source}"
    revision = entry.revision
    fields = reverted(entry, field)
    return edit(store, name, fields, tasks=tasks, by=by, revision=revision, why=why, file_only=file_only)


def reverted(entry: Entry, field: str) -> dict[str, Any]:
    """The entry's fields with one of them (all, if it is empty) as declared. Timing keys go together."""
    names = set(entry.overlay) if not field else set(TIMING_KINDS) if field in TIMING_KINDS else {field}
    kept = {key: value for key, value in entry.fields.items() if key not in names}
    declared = {key: value for key, value in entry.base.items() if key in names}
    return {key: value for key, value in (kept | declared).items() if key != "excluded"}


def create(
    store: Store,
    name: str,
    fields: Mapping[str, Any],
    *,
    tasks: Tasks,
    by: str,
    restored: Restored | None = None,
    file_only: Collection[str] = (),
) -> Entry:
    """Create a schedule of origin ``admin``, with what was ``restored``.

    One that was the file's keeps the file's values as its base: the file takes it back when it declares it again.
    Raises Invalid for one of the ``file_only`` tasks.
    """
    declared = gate(store, name, fields, tasks, Reserved(file_only))
    refuse_references(declared, {})
    due = declared.timing.next_due(clock())
    entry = Entry(name=name, origin="admin", fields=declared.fields(), due=due, zone=store.zone())
    if restored:
        entry = replace(entry, pause=restored.pause, skip=restored.skip, total_run_count=restored.runs)
        entry = replace(entry, base=restored.base, overlay=restored.overlay)
    what, why = ("restore", restored.why) if restored else ("create", "")
    store.write([Write(name, None, entry, audit=line_of(name, by, clock(), what, None, entry, why))])
    return entry


def give_back(store: Store, name: str, lost: Restored, *, by: str) -> Entry:
    """Give a schedule that the file declares again what its removal took away; raises RefusedChange if that is nothing.

    A field that the file changed since, or that was changed on the page since, stays as it is.
    """
    calendars = store.calendars()

    def given(entry: Entry) -> Entry:
        declared = replace(entry, fields=entry.base).declared()
        kept, _ = plan.merge(replace(entry, base=lost.base, overlay=lost.overlay), declared, calendars)
        overlay = kept | entry.overlay
        # The count began at 0 again after the removal. It is higher only if these runs were given back already.
        runs = lost.runs + entry.total_run_count if entry.total_run_count < lost.runs else entry.total_run_count
        pause, skip = entry.pause or lost.pause, entry.skip or lost.skip
        after = replace(entry, fields=plan.govern(entry.base, overlay), overlay=overlay, pause=pause, skip=skip)
        after = replace(after, total_run_count=runs)
        if after == entry or not plan.can_fire(name, after.fields):
            raise RefusedChange(f"'{name}' exists: there is nothing to restore")
        return plan.rescheduled(entry, after, clock())

    return change_entry(store, name, by, "restore", given, lost.why)


def gate(
    store: Store, name: str, fields: Mapping[str, Any], tasks: Tasks, reserved: Reserved | None = None
) -> Declared:
    """Validate the fields as the file's would be, with the file's calendars; raises Invalid."""
    declared, problems = validate_fields(name, fields, tasks=tasks, calendars=store.calendars(), reserved=reserved)
    if declared is None:
        raise Invalid(tuple(problem for problem in problems if problem.severity == "error"))
    if wrong := tuple(named.problems(store, declared)):
        raise Invalid(wrong)
    return declared


def refuse_references(declared: Declared, base: Mapping[str, Any]) -> None:
    """Raise Invalid for references to the worker's variables or files that the schedule file does not have."""
    places = references.added(declared.fields(), base)
    remedy = "declare it there, or write $${ for a literal ${"
    if places:
        raise Invalid(tuple(Problem(FROM_FILE, remedy, declared.name, str(path[0])) for path in places))


def remove(store: Store, name: str, *, by: str, why: str = "", seen: Entry | None = None) -> None:
    """Remove a schedule of origin ``admin``; the file's schedules are removed in the file.

    Raises Conflict if it differs from ``seen``.
    """
    entry = seen or store.get(name)
    if entry.is_declared:
        raise RefusedChange(f"'{name}' is declared in {DECLARED_IN[entry.origin]}: remove it there, or pause it")
    line = line_of(name, by, clock(), "remove", entry, None, why)
    store.write([Write(name, entry, None, audit=line)])


def skip(store: Store, name: str, *, by: str, note: str = "", only: datetime | None = None, why: str = "") -> Entry:
    """Skip the next due instant that would be sent; the ledger records who asked for it.

    Raises RefusedChange if ``only`` is given and is not the next one.
    """
    return change_entry(store, name, by, "skip", skipping(by, note, only), why or note)


def skipping(by: str, note: str = "", only: datetime | None = None) -> Callable[[Entry], Entry]:
    """What a skip makes of an entry: its next due instant is marked. Raises RefusedChange or NotFound."""

    def marked(entry: Entry) -> Entry:
        job, name = entries.job(entry), entry.name
        if (skipped := left_out(entry, job)) is not None:
            raise RefusedChange(f"'{name}' already skips {skipped:%Y-%m-%d %H:%M:%S} UTC: undo that first")
        due = next(due_instants(entry, job, clock()), None)
        if due is None:
            raise NotFound(f"'{name}' has no next run: there is nothing to skip")
        if only not in (None, due):
            raise RefusedChange(f"{only:%Y-%m-%d %H:%M:%S} UTC is not the next run of '{name}'")
        return replace(entry, skip=SkipNext(by, clock().timestamp(), to_seconds(due), note))

    return marked


def unskip(store: Store, name: str, *, by: str, why: str = "") -> Entry:
    """Cancel a requested skip."""
    return change_entry(store, name, by, "unskip", unskipped, why)


def unskipped(entry: Entry) -> Entry:
    """The entry without the mark; raises NotFound if it has none."""
    if left_out(entry, entries.job(entry)) is None:
        raise NotFound(f"'{entry.name}' skips no run: there is nothing to undo")
    return replace(entry, skip=None)
