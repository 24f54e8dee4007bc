"""Write overlays and schedules created on the page into the schedule file.

A proposal shows the diff first; writing it replaces the file in one step, or changes nothing.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scheduler import changes, schedule_file
from scheduler.changes import Invalid, Tasks
from scheduler.changes.plan import compare
from scheduler.errors import CannotWrite, Conflict, RefusedChange, SchedulerError
from scheduler.model import TIMING_KINDS, Declared, Entry
from scheduler.schedule_file.write_back import CannotSplice, in_file, inherited, same, splice, unified_diff
from scheduler.storage.audit import audit_line
from scheduler.storage.store import Store
from scheduler.validate import validate

#: Changed fields before and after; before is None for a schedule that the file does not have yet.
Changed = tuple[dict[str, Any] | None, dict[str, Any]]


@dataclass(frozen=True)
class Proposal:
    """The change of one file. With ``reasons``, a person has to make it; without any, it can be written."""

    path: Path
    before: bytes
    after: bytes
    changed: Mapping[str, Changed]
    reasons: tuple[str, ...] = ()

    @property
    def patch(self) -> str:
        """The diff, with the file's path relative to the working directory if it is inside."""
        here = Path.cwd()
        name = self.path.relative_to(here) if self.path.is_relative_to(here) else self.path
        return unified_diff(self.before.decode(), self.after.decode(), str(name))


def propose(file: Path, tasks: Tasks, entries: Iterable[Entry], fields: Collection[str] = ()) -> list[Proposal]:
    """The changes of files that make the overlays unnecessary; only of these ``fields``, if any are given.

    Raises Invalid if the file has errors, Conflict if it has changed, and RefusedChange if no edit of its text can make
    the change.
    """
    document = schedule_file.read(file)
    valid = validate(document, tasks=tasks)
    if not valid.ok:
        raise Invalid(valid.errors)
    top = inherited(document.data)
    wanted: dict[Path, dict[str, dict[str, Any]]] = {}
    changed: dict[str, Changed] = {}
    for entry in entries:
        declared = valid.declared.get(entry.name)
        values = of_page(entry, declared, top) if entry.origin == "admin" else of_overlay(entry, declared, fields)
        if values:
            if declared and entry.name not in document.data["schedules"]:
                raise RefusedChange(f"'{entry.name}' is written in the `then` of another schedule: edit it there")
            path = Path(document.positions.key(("schedules", entry.name)).file) if declared else file
            in_text = (document.data.get("schedules") or {}).get(entry.name, {})
            wanted.setdefault(path, {})[entry.name] = in_file(in_text, values, top)
            now = declared.fields() if declared else None
            changed[entry.name] = (None if now is None else {key: now.get(key) for key in values}, values)
    proposals = [proposal(path, document, schedules, changed) for path, schedules in wanted.items()]
    prove(document, tasks, wanted, changed, valid.declared)
    return proposals


def propose_apart(
    file: Path, tasks: Tasks, entries: Sequence[Entry], fields: Collection[str] = ()
) -> tuple[list[Proposal], list[SchedulerError]]:
    """As ``propose``, but schedules that cannot be written are left out, and their errors returned. Raises Invalid."""
    good, refused = sort_out(file, tasks, entries, fields)
    return propose(file, tasks, good, fields), refused


def sort_out(
    file: Path, tasks: Tasks, entries: Sequence[Entry], fields: Collection[str]
) -> tuple[list[Entry], list[SchedulerError]]:
    """The entries that can be proposed, and the errors of the others; found by bisection."""
    try:
        propose(file, tasks, entries, fields)
    except Invalid:
        raise
    except (Conflict, RefusedChange) as error:
        if len(entries) == 1:
            return [], [error]
        middle = len(entries) // 2
        first, others = (sort_out(file, tasks, part, fields) for part in (entries[:middle], entries[middle:]))
        return first[0] + others[0], first[1] + others[1]
    return [*entries], []


def of_page(entry: Entry, declared: Declared | None, top: Iterable[str]) -> dict[str, Any]:
    """The fields of a schedule created on the page, with None for defaults of the file that it does not have."""
    if declared is None:
        return {**dict.fromkeys(top), **entry.fields}
    if declared.fields() == entry.fields:
        return {}
    raise RefusedChange(f"the schedule file declares a different '{entry.name}': rename or delete one of the two")


def of_overlay(entry: Entry, declared: Declared | None, fields: Collection[str]) -> dict[str, Any]:
    """The overlaid values that differ from the file; timing keys go together, and None removes a key."""
    if entry.origin == "app":
        raise RefusedChange(
            f"'{entry.name}' is declared in the application: `scheduler import beat-schedule` prints it for the file"
        )
    if entry.origin != "file":
        raise RefusedChange(
            f"'{entry.name}' was created by another program with RedBeat's API: it cannot be written to the file"
        )
    if declared is None:
        raise Conflict(f"the schedule file no longer declares '{entry.name}': look at it again")
    names = set(fields) or set(entry.overlay)
    names |= set(TIMING_KINDS) if names & set(TIMING_KINDS) else set()
    chosen = {name: note.value for name, note in entry.overlay.items() if name in names and name != "excluded"}
    in_text = declared.fields()
    for name in chosen:
        if in_text.get(name) not in (entry.base.get(name), chosen[name]):
            raise Conflict(f"the schedule file has changed {name} of '{entry.name}' meanwhile: look at it again")
    return {name: value for name, value in chosen.items() if in_text.get(name) != value}


def proposal(
    path: Path,
    document: schedule_file.Document,
    wanted: Mapping[str, Mapping[str, Any]],
    changed: Mapping[str, Changed],
) -> Proposal:
    """The change of one file; raises Conflict if the file has changed since ``document`` was read."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise Conflict(f"{path} can no longer be read: look at it again") from error
    current = schedule_file.parse_bytes(raw, str(path)).data.get("schedules") or {}
    known = document.data.get("schedules") or {}
    if not all(same(current.get(name), known.get(name)) for name in wanted):
        raise Conflict(f"{path} has just changed: look at it again")
    try:
        done = splice(raw.decode(), wanted)
    except CannotSplice as error:
        names = ", ".join(f"'{name}'" for name in wanted)
        raise RefusedChange(f"edit {path} by hand for {names}: {error}") from error
    reasons = (*done.doubts, *not_writable(path))
    return Proposal(path, raw, done.text.encode(), {name: changed[name] for name in wanted}, reasons)


def prove(
    document: schedule_file.Document,
    tasks: Tasks,
    wanted: Mapping[Path, Mapping[str, Mapping[str, Any]]],
    changed: Mapping[str, Changed],
    before: Mapping[str, Declared],
) -> None:
    """Check that the new files are valid and make exactly this change; raises RefusedChange."""
    written = {name: fields for schedules in wanted.values() for name, fields in schedules.items()}
    schedules = {**(document.data.get("schedules") or {}), **written}
    after = validate(replace(document, data={**document.data, "schedules": schedules}), tasks=tasks)
    if not after.ok:
        raise Invalid(after.errors)
    for name, declared in after.declared.items():
        was = before[name].fields() if name in before else {}
        _, asked = changed.get(name, (None, {}))
        expected = {key: value for key, value in {**was, **asked}.items() if value is not None}
        result = declared.fields()
        # The days in `excluded` follow from the calendars that `except` names.
        if {**result, "excluded": None} != {**expected, "excluded": None}:
            raise RefusedChange(f"the schedule file cannot express '{name}' as it is: {compare(expected, result)}")


def not_writable(path: Path) -> list[str]:
    """The reason why this process cannot replace the file, if any."""
    target = path.resolve()
    closed = [str(place) for place in (target, target.parent) if not os.access(place, os.W_OK)]
    return [f"{closed[0]} is not writable for this process"] if closed else []


def write(store: Store, made: Proposal, *, by: str) -> None:
    """Replace the file in one step; beat then loads it, and the overlays end.

    Raises Conflict if the file has changed, CannotWrite if it cannot be replaced; then nothing has changed.
    """
    if made.reasons:
        raise CannotWrite(f"{made.path} was not written: {'; '.join(made.reasons)}")
    target = made.path.resolve()
    try:
        replace_file(target, made.before, made.after)
    except OSError as error:
        raise CannotWrite(f"{target} was not written: {(error.strerror or str(error)).lower()}") from error
    for name, (before, after) in made.changed.items():
        store.audit.add(
            audit_line(by, changes.clock(), "write to file", before, after, f"to {made.path.name}", schedule=name)
        )


def replace_file(target: Path, before: bytes, after: bytes) -> None:
    """Write a new file beside it and rename it; mode, owner and access lists stay. Raises OSError or Conflict."""
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".new", dir=target.parent)
    new = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(after)
            old = target.stat()
            if (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(file.fileno(), old.st_uid, old.st_gid)
            shutil.copystat(target, new)
            # copystat took over the old time as well, and beat notices the change by it.
            os.utime(new)
            file.flush()
            os.fsync(file.fileno())
        # As late as possible: an editor may have saved it meanwhile.
        if target.read_bytes() != before:
            raise Conflict(f"{target} has changed and was not written: look at it again")
        new.replace(target)
    finally:
        new.unlink(missing_ok=True)
    # The rename is on the disk only when its directory is.
    directory = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def candidates(store: Store, names: Collection[str] = ()) -> list[Entry]:
    """Schedules that differ from the file; only these, if names are given. Raises NotFound."""
    if names:
        return [store.get(name) for name in names]
    return [entry for entry in store.all().values() if is_exported(entry)]


def is_exported(entry: Entry) -> bool:
    """Whether the file could have the entry's changes: those of the application's schedules stay on the page."""
    return not entry.error and (entry.origin == "admin" or (entry.origin == "file" and bool(entry.overlay)))
