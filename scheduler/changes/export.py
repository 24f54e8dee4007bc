"""What was changed elsewhere, on its way back into the schedule file: overlays, and schedules that the page made.

A proposal is made first, and shows its difference; writing it replaces the file in one step, or changes nothing.
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

#: The fields that change, as the file says them now and then; None for a schedule that it has not yet.
Changed = tuple[dict[str, Any] | None, dict[str, Any]]


@dataclass(frozen=True)
class Proposal:
    """The change of one file. ``reasons`` say why a person has to make it; without any it can be written."""

    path: Path
    before: bytes
    after: bytes
    changed: Mapping[str, Changed]
    reasons: tuple[str, ...] = ()

    @property
    def patch(self) -> str:
        """The difference, with the file's name as it is reached from here."""
        here = Path.cwd()
        name = self.path.relative_to(here) if self.path.is_relative_to(here) else self.path
        return unified_diff(self.before.decode(), self.after.decode(), str(name))


def propose(file: Path, tasks: Tasks, entries: Iterable[Entry], fields: Collection[str] = ()) -> list[Proposal]:
    """What the files must say so that nothing is an overlay any more; of some ``fields`` only, if any are named.

    Raises Invalid for a file with errors, Conflict for one that says something else by now, and RefusedChange for
    what no edit of the text can say.
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
            path = Path(document.positions.key(("schedules", entry.name)).file) if declared else file
            said = (document.data.get("schedules") or {}).get(entry.name, {})
            wanted.setdefault(path, {})[entry.name] = in_file(said, values, top)
            now = declared.fields() if declared else None
            changed[entry.name] = (None if now is None else {key: now.get(key) for key in values}, values)
    proposals = [proposal(path, document, schedules, changed) for path, schedules in wanted.items()]
    prove(document, tasks, wanted, changed, valid.declared)
    return proposals


def propose_apart(
    file: Path, tasks: Tasks, entries: Sequence[Entry], fields: Collection[str] = ()
) -> tuple[list[Proposal], list[SchedulerError]]:
    """As ``propose``, without those schedules that cannot be proposed: with the reason for each. Raises Invalid."""
    good, refused = sort_out(file, tasks, entries, fields)
    return propose(file, tasks, good, fields), refused


def sort_out(
    file: Path, tasks: Tasks, entries: Sequence[Entry], fields: Collection[str]
) -> tuple[list[Entry], list[SchedulerError]]:
    """Those that can be proposed, found by halves."""
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
    """The fields of a schedule that the page made, and None for what the top of the file would add to them."""
    if declared is None:
        return {**dict.fromkeys(top), **entry.fields}
    if declared.fields() == entry.fields:
        return {}
    raise RefusedChange(f"the schedule file declares another '{entry.name}': rename or delete one of the two")


def of_overlay(entry: Entry, declared: Declared | None, fields: Collection[str]) -> dict[str, Any]:
    """The overlaid values that the file does not say yet; the timing keys go together, and None takes a key away."""
    if entry.origin != "file":
        raise RefusedChange(f"'{entry.name}' belongs to the program that saved it with RedBeat's API")
    if declared is None:
        raise Conflict(f"the schedule file does not declare '{entry.name}' any more: look at it again")
    names = set(fields) or set(entry.overlay)
    names |= set(TIMING_KINDS) if names & set(TIMING_KINDS) else set()
    chosen = {name: note.value for name, note in entry.overlay.items() if name in names and name != "excluded"}
    said = declared.fields()
    for name in chosen:
        if said.get(name) not in (entry.base.get(name), chosen[name]):
            raise Conflict(f"the schedule file says another {name} for '{entry.name}' by now: look at it again")
    return {name: value for name, value in chosen.items() if said.get(name) != value}


def proposal(
    path: Path,
    document: schedule_file.Document,
    wanted: Mapping[str, Mapping[str, Any]],
    changed: Mapping[str, Changed],
) -> Proposal:
    """The change of one file; raises Conflict when it is not what was read a moment ago."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise Conflict(f"{path} cannot be read any more: look at it again") from error
    said = schedule_file.parse_bytes(raw, str(path)).data.get("schedules") or {}
    known = document.data.get("schedules") or {}
    if not all(same(said.get(name), known.get(name)) for name in wanted):
        raise Conflict(f"{path} was changed at the same time: look at it again")
    try:
        done = splice(raw.decode(), wanted)
    except CannotSplice as error:
        names = ", ".join(f"'{name}'" for name in wanted)
        raise RefusedChange(f"{path} must be edited by hand for {names}: {error}") from error
    reasons = (*done.doubts, *not_writable(path))
    return Proposal(path, raw, done.text.encode(), {name: changed[name] for name in wanted}, reasons)


def prove(
    document: schedule_file.Document,
    tasks: Tasks,
    wanted: Mapping[Path, Mapping[str, Mapping[str, Any]]],
    changed: Mapping[str, Changed],
    before: Mapping[str, Declared],
) -> None:
    """The new files must be valid, and mean this change and nothing else; raises RefusedChange."""
    written = {name: fields for schedules in wanted.values() for name, fields in schedules.items()}
    schedules = {**(document.data.get("schedules") or {}), **written}
    after = validate(replace(document, data={**document.data, "schedules": schedules}), tasks=tasks)
    if not after.ok:
        raise Invalid(after.errors)
    for name, declared in after.declared.items():
        was = before[name].fields() if name in before else {}
        _, asked = changed.get(name, (None, {}))
        expected = {key: value for key, value in {**was, **asked}.items() if value is not None}
        found = declared.fields()
        if {**found, "excluded": None} != {**expected, "excluded": None}:
            raise RefusedChange(f"the schedule file cannot say '{name}' as it is: {compare(expected, found)}")


def not_writable(path: Path) -> list[str]:
    """Why this process may not replace the file."""
    target = path.resolve()
    closed = [str(place) for place in (target, target.parent) if not os.access(place, os.W_OK)]
    return [f"{closed[0]} cannot be written from here"] if closed else []


def write(store: Store, made: Proposal, *, by: str) -> None:
    """Replace the file in one step; beat notices, and the overlays end.

    Raises Conflict when the file was changed meanwhile, CannotWrite when it may not be replaced, with nothing changed.
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
    """Write beside it, and rename: mode, owner and access lists stay. Raises OSError, or Conflict."""
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".new", dir=target.parent)
    new = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(after)
            old = target.stat()
            if (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(file.fileno(), old.st_uid, old.st_gid)
            shutil.copystat(target, new)
            os.utime(new)
            file.flush()
            os.fsync(file.fileno())
        if target.read_bytes() != before:
            raise Conflict(f"{target} was changed since it was read, so it was not written: look at it again")
        new.replace(target)
    finally:
        new.unlink(missing_ok=True)
    directory = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def candidates(store: Store, names: Collection[str] = ()) -> list[Entry]:
    """Schedules with something that the file does not say; those of these names, if any. Raises NotFound."""
    if names:
        return [store.get(name) for name in names]
    return [entry for entry in store.all().values() if not entry.error and (entry.overlay or entry.origin == "admin")]
