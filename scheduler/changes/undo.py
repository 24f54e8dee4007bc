"""Undo a line of the audit log: an ordinary change, with its own audit line."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from scheduler import changes
from scheduler.changes import Restored, Tasks
from scheduler.changes.common import DECLARED_IN
from scheduler.changes.plan import compare
from scheduler.errors import NotFound, RefusedChange
from scheduler.model import Entry, Overlaid, Pause, SkipNext
from scheduler.storage.instants import from_seconds, to_seconds
from scheduler.storage.store import Store

RESULTS = {
    "edit": " has its earlier values again",
    "restore": " is restored",
    "give_back": " has the changes, the pause and the number of runs again that it had before its removal",
    "remove": " is deleted",
    "pause": " is paused again",
    "resume": " is resumed",
    "skip": ": the next run is skipped again",
    "unskip": ": the next run is no longer skipped",
}
NOTHING_LOST = Restored()


@dataclass(frozen=True)
class Undo:
    """An undo: ``fields`` for edit and restore, ``lost`` for restore and give_back; ``pause``, ``skip``."""

    kind: Literal["edit", "restore", "give_back", "remove", "pause", "resume", "skip", "unskip"]
    name: str
    entry: Entry | None
    fields: dict[str, Any] | None = None
    pause: Pause | None = None
    skip: SkipNext | None = None
    lost: Restored = NOTHING_LOST

    def __str__(self) -> str:
        return f"{self.name}{RESULTS[self.kind]}"


def can_be_undone(line: Mapping[str, Any]) -> bool:
    """Whether the line is a change of a schedule that can be undone."""
    before, after = line.get("before"), line.get("after")
    changed = before != after or "pause" in line or "skip" in line or line.get("change") == "skip"
    return changed and (before, after) != (None, None) and line.get("change") not in ("add", "rename")


def find(line: Mapping[str, Any], entry: Entry | None) -> Undo:
    """The undo of this line for the schedule as it is now; raises RefusedChange with the reason if there is none."""
    name, before, after = str(line.get("schedule", "")), line.get("before"), line.get("after")
    refuse_lasting(line, name)
    if after is None:
        return restored(line, entry)
    if entry is None:
        raise RefusedChange(f"'{name}' no longer exists: undo its deletion first")
    if entry.error:
        raise RefusedChange(f"'{name}' cannot be read: {entry.error}; fix it first")
    if line.get("change") == "add" and not entry.is_declared:
        raise RefusedChange(f"'{name}' is no longer the file's: delete it on its page")
    if before is None:
        return removed(name, after, entry)
    if line.get("change") == "skip":
        return Undo("unskip", name, entry)
    if line.get("change") == "unskip":
        return Undo("skip", name, entry, skip=SkipNext(**line["skip"][0]))
    if "pause" in line:
        return unpaused(name, line["pause"], entry)
    return set_back(name, compare(before, after), entry)


def refuse_lasting(line: Mapping[str, Any], name: str) -> None:
    """Raise RefusedChange for a line that only the schedule file can take back, or that changed nothing."""
    if line.get("change") == "rename":
        raise RefusedChange(f"the schedule file renamed '{name}': rename it back there")
    if not can_be_undone(line) and (line.get("change") != "add" or line.get("after") is None):
        raise RefusedChange("there is nothing to undo: this line changed no field of a schedule")


def restored(line: Mapping[str, Any], entry: Entry | None) -> Undo:
    """The undo of a removal; raises RefusedChange if there is a schedule of this name again that is not the file's."""
    name = str(line["schedule"])
    lost = lost_with(line)
    if entry is not None and entry.is_declared and "base" in line and not entry.error:
        return Undo("give_back", name, entry, lost=lost)
    if entry is not None:
        raise RefusedChange(f"'{name}' exists: there is nothing to restore")
    fields = {key: value for key, value in line["before"].items() if key not in ("excluded", "renamed_from")}
    return Undo("restore", name, None, fields, lost=lost)


def lost_with(line: Mapping[str, Any]) -> Restored:
    """What a removal took away beside the fields in force, by its line."""
    now = to_seconds(changes.clock())
    pause, skip = line.get("pause", [None])[0], line.get("skip", [None])[0]
    return Restored(
        pause=Pause(**pause) if pause else None,
        skip=SkipNext(**skip) if skip and skip["due"] > now else None,
        runs=line.get("runs", 0),
        base=line.get("base", {}),
        overlay={key: Overlaid(**note) for key, note in line.get("overlay", {}).items()},
    )


def removed(name: str, after: Mapping[str, Any], entry: Entry) -> Undo:
    """The undo of a creation; raises RefusedChange for a schedule of the file, and if it was changed since."""
    if entry.is_declared:
        raise RefusedChange(f"'{name}' is declared in {DECLARED_IN[entry.origin]}: remove it there, or pause it")
    refuse_changed(name, compare(after, entry.fields))
    return Undo("remove", name, entry)


def unpaused(name: str, pauses: list[Any], entry: Entry) -> Undo:
    """The undo of a pause or of its end; ``pauses`` has the pause before and after, None for none."""
    before, after = (Pause(**pause) if pause else None for pause in pauses)
    # A resumed pause gets an end and stays, until beat has recorded what was skipped and drops it.
    was_resumed = before is not None and after is not None and before.at == after.at
    if entry.pause != after and not (was_resumed and entry.pause is None):
        raise RefusedChange(f"'{name}' has been paused or resumed since: undo the later change first")
    if before is None:
        return Undo("resume", name, entry)
    if before.until is not None and before.until <= to_seconds(changes.clock()):
        raise RefusedChange(f"the pause of '{name}' would already be over: pause it again instead")
    return Undo("pause", name, entry, pause=before)


def set_back(name: str, changed: Mapping[str, tuple[Any, Any]], entry: Entry) -> Undo:
    """The undo of an edit: its fields get their old values; raises RefusedChange if one was changed since."""
    refuse_changed(name, {key: (now, entry.fields.get(key)) for key, (_, now) in changed.items()})
    fields = {**entry.fields, **{key: was for key, (was, _) in changed.items()}}
    kept = {key: value for key, value in fields.items() if value is not None and key != "excluded"}
    return Undo("edit", name, entry, kept)


def refuse_changed(name: str, fields: Mapping[str, tuple[Any, Any]]) -> None:
    """Raise RefusedChange for fields that are not as the line left them; ``excluded`` follows from ``except``."""
    later = [key for key, (then, now) in fields.items() if then != now and key != "excluded"]
    if later:
        raise RefusedChange(f"'{name}' has changed since in {', '.join(later)}: undo the later change first")


def undo(store: Store, identity: str, *, tasks: Tasks, by: str, file_only: Collection[str] = ()) -> Undo:
    """Undo the line with this ID. Raises NotFound, Invalid, Conflict or RefusedChange.

    It does not set the arguments of ``file_only`` tasks, not even to earlier ones.
    """
    line = store.audit.line(identity)
    try:
        entry = store.get(str(line.get("schedule", "")))
    except NotFound:
        entry = None
    wanted = find(line, entry)
    why = f"undo of {line['change']} by {line['by']}, {identity}"
    carry_out(store, wanted, tasks, by, why, file_only)
    return wanted


def carry_out(store: Store, wanted: Undo, tasks: Tasks, by: str, why: str, file_only: Collection[str]) -> None:
    """Make the change, with ``why`` in its line of the audit log."""
    name, pause = wanted.name, wanted.pause
    if wanted.kind == "restore":
        back = replace(wanted.lost, why=why)
        changes.create(store, name, wanted.fields or {}, tasks=tasks, by=by, restored=back, file_only=file_only)
    elif wanted.kind == "give_back":
        changes.give_back(store, name, replace(wanted.lost, why=why), by=by)
    elif wanted.kind == "remove":
        changes.remove(store, name, by=by, why=why, seen=wanted.entry)
    elif wanted.kind == "edit" and wanted.entry:
        fields, revision = wanted.fields or {}, wanted.entry.revision
        changes.edit(store, name, fields, tasks=tasks, by=by, revision=revision, why=why, file_only=file_only)
    elif wanted.kind == "unskip":
        changes.unskip(store, name, by=by, why=why)
    elif wanted.skip:
        changes.skip(store, name, by=by, note=wanted.skip.note, only=from_seconds(wanted.skip.due), why=why)
    elif pause is not None:
        until = None if pause.until is None else from_seconds(pause.until)
        changes.pause(store, name, by=by, note=pause.note, until=until, why=why)
    else:
        changes.resume(store, name, by=by, why=why)
