"""The difference between what is stored and what is wanted. Pure; nothing is written here.

Three sides for each field of a schedule that the file declares: the file last time (``base``), the file now, and
what the admin changed (``overlay``). A field that the file did not change keeps the overlay; one that it did takes
the file's value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal

from scheduler.model import TIMING_FIELDS, TIMING_KINDS, Declared, Entry, Overlaid
from scheduler.storage.instants import to_seconds

Calendars = Mapping[str, Sequence[str]]
Kind = Literal["add", "update", "remove", "rename", "conflict"]


@dataclass(frozen=True)
class Change:
    """One line of a plan. ``fields`` maps each field that changes to its value before and after."""

    kind: Kind
    name: str
    before: Entry | None = None
    after: Entry | None = None
    fields: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    dropped: Mapping[str, Overlaid] = field(default_factory=dict)
    why: str = ""

    def __str__(self) -> str:
        details = [f"{key}: {was!r} → {now!r}" for key, (was, now) in self.fields.items()]
        details += [f"drops what {note.by} set on the page: {key}={note.value!r}" for key, note in self.dropped.items()]
        details += [self.why] if self.why else []
        return f"{self.kind} {self.name}" + (f" ({'; '.join(details)})" if details else "")


@dataclass(frozen=True)
class Plan:
    """Every change that brings the stored schedules to what the file says."""

    changes: tuple[Change, ...] = ()
    stored: int = 0  #: schedules of the file that are stored now

    @property
    def removals(self) -> int:
        return sum(change.kind == "remove" for change in self.changes)

    @property
    def is_mass_removal(self) -> bool:
        """Whether it would remove more than half of what the file declared before, or all of it."""
        return self.removals * 2 > self.stored and (self.removals > 1 or self.removals == self.stored)

    def summary(self) -> str:
        """``2 add, 1 update`` in the order of the words, or ``no changes``."""
        kinds = ("add", "update", "rename", "remove", "conflict")
        counts = {kind: sum(change.kind == kind for change in self.changes) for kind in kinds}
        return ", ".join(f"{count} {kind}" for kind, count in counts.items() if count) or "no changes"


def plan_file(
    stored: Mapping[str, Entry],
    wanted: Mapping[str, Declared],
    now: datetime,
    calendars: Calendars = MappingProxyType({}),
) -> Plan:
    """What loading a valid file changes; only schedules of origin ``file`` are touched, and what follows a calendar.

    ``calendars`` are the days of each calendar of the file: what the page chose by name is resolved anew.
    """
    renames = find_renames(stored, wanted)
    changes = []
    for name, declared in wanted.items():
        entry = stored.get(renames.get(name, name))
        change = add(declared, now) if entry is None else update(entry, declared, now, calendars)
        if change is not None:
            changes.append(change)
    gone = [entry for entry in stored.values() if entry.origin == "file" and entry.name not in wanted]
    moved = set(renames.values())
    changes += [Change("remove", entry.name, before=entry) for entry in gone if entry.name not in moved]
    made_here = [entry for entry in stored.values() if entry.origin == "admin" and entry.name not in wanted]
    changes += [change for entry in made_here if (change := follow(entry, now, calendars)) is not None]
    return Plan(tuple(changes), sum(entry.origin == "file" for entry in stored.values()))


def find_renames(stored: Mapping[str, Entry], wanted: Mapping[str, Declared]) -> dict[str, str]:
    """New name to former name, where the former is stored, left the file, and the new one does not exist yet."""
    return {
        name: former
        for name, declared in wanted.items()
        if (former := declared.schedule.renamed_from)
        and name not in stored
        and former not in wanted
        and former in stored
        and stored[former].origin == "file"
    }


def add(declared: Declared, now: datetime) -> Change:
    """A schedule that is not stored yet; its first due instant lies after now."""
    fields = declared.fields()
    entry = Entry(name=declared.name, origin="file", fields=fields, base=fields, due=declared.timing().next_due(now))
    return Change("add", declared.name, after=entry)


def follow(entry: Entry, now: datetime, calendars: Calendars) -> Change | None:
    """What a calendar of the file changes on a schedule of the page; None for nothing."""
    days = days_of(entry.fields.get("except"), calendars)
    if days is None or entry.error or days == entry.fields.get("excluded", []):
        return None
    fields = {**entry.fields, "excluded": days}
    if not days:
        del fields["excluded"]
    if not can_fire(entry.name, fields):
        return None
    after = rescheduled(entry, replace(entry, fields=fields), now)
    why = "the days of its calendars changed in the file"
    return Change("update", entry.name, entry, after, compare(entry.fields, fields), why=why)


def days_of(names: Any, calendars: Calendars) -> list[str] | None:
    """The days of these calendars; None where none is named, or one is gone: then the days stay as they were."""
    if not isinstance(names, list) or not names or not all(name in calendars for name in names):
        return None
    return [*dict.fromkeys(day for name in names for day in calendars[name])]


def update(entry: Entry, declared: Declared, now: datetime, calendars: Calendars) -> Change | None:
    """What the file changes on a stored schedule; None for nothing."""
    name = declared.name
    if entry.origin == "admin" and not entry.error:
        followed = follow(entry, now, calendars)
        alike = followed.after if followed and followed.after else entry
        if alike.fields == declared.fields():
            after = replace(alike, origin="file", base=alike.fields)
            why = "the file declares now what was made on the page"
            return Change("update", name, entry, after, compare(entry.fields, after.fields), why=why)
    if entry.origin != "file":
        why = f"a schedule of that name exists already, made by {entry.origin}"
        return Change("conflict", name, before=entry, why=why)
    base = declared.fields()
    kept, dropped = merge(entry, declared, calendars)
    fields = govern(base, kept)
    if not entry.error and (fields, base, kept, name) == (entry.fields, entry.base, dict(entry.overlay), entry.name):
        return None
    after = replace(entry, name=name, fields=fields, base=base, overlay=kept, error="")
    after = rescheduled(entry, after, now)
    kind: Kind = "update" if name == entry.name else "rename"
    agreed = {key for key, note in dropped.items() if note.value == base.get(key)}
    reasons = [f"from {entry.name}"] if kind == "rename" else []
    reasons += [f"the file says now what the page said: {', '.join(sorted(agreed))}"] if agreed else []
    lost = {key: note for key, note in dropped.items() if key not in agreed}
    return Change(kind, name, entry, after, compare(entry.fields, fields), lost, "; ".join(reasons))


def merge(entry: Entry, declared: Declared, calendars: Calendars) -> tuple[dict[str, Overlaid], dict[str, Overlaid]]:
    """The overlay that stays and the one that goes; the timing keys stay or go together, and so do calendars."""
    if not entry.overlay:
        return {}, {}
    base = declared.fields()
    gone = set(compare(entry.base, base))
    gone |= {*TIMING_KINDS} if gone & {*TIMING_KINDS} else set()
    # Days follow the choice of calendars: a day that the file adds to one is no new choice.
    gone = gone | {"excluded"} if "except" in gone or "except" not in entry.overlay else gone - {"excluded"}
    kept: dict[str, Overlaid] = {}
    for also in ((), TIMING_FIELDS - {"enabled", "max_runs"}, entry.overlay):
        gone |= {*also}
        kept = with_days({name: note for name, note in entry.overlay.items() if name not in gone}, base, calendars)
        if can_fire(declared.name, govern(base, kept)):
            break
    followed = {"excluded"} if "except" in kept else set()
    return kept, {name: note for name, note in entry.overlay.items() if name not in {*kept, *followed}}


def with_days(overlay: dict[str, Overlaid], base: Mapping[str, Any], calendars: Calendars) -> dict[str, Overlaid]:
    """The overlay with the days that the calendars which it chose have now."""
    chosen = overlay.get("except")
    days = days_of(chosen.value, calendars) if chosen else None
    if chosen is None or days is None:
        return overlay
    rest = {name: note for name, note in overlay.items() if name != "excluded"}
    value = days or None
    return rest if value == base.get("excluded") else rest | {"excluded": replace(chosen, value=value)}


def can_fire(name: str, fields: Mapping[str, Any]) -> bool:
    """Whether these fields hold together: what is right by itself may contradict the other side's start or end."""
    try:
        Entry(name, "file", dict(fields)).declared().timing()
    except ValueError:
        return False
    return True


def govern(base: Mapping[str, Any], overlay: Mapping[str, Overlaid]) -> dict[str, Any]:
    """The fields that govern: the file's, with the overlay on top; an overlay of None takes a field away."""
    fields = {**base, **{name: note.value for name, note in overlay.items()}}
    return {name: value for name, value in fields.items() if value is not None}


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Each field that differs, with both values."""
    names = [*before, *(name for name in after if name not in before)]
    return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}


def rescheduled(before: Entry, after: Entry, now: datetime) -> Entry:
    """The entry with a new due instant if what decides over it changed, else with the one it had."""
    changed = TIMING_FIELDS & compare(before.fields, after.fields).keys()
    if not changed and not before.error:
        return after
    return replace(after, due=after.declared().timing().next_due(now))


def edit(entry: Entry, declared: Declared, by: str, now: datetime, why: str = "") -> Entry:
    """The entry as somebody wants it on the page: for a schedule of the file, an overlay on each field that differs."""
    wanted = declared.fields()
    if entry.origin != "file":
        return rescheduled(entry, replace(entry, fields=wanted, error=""), now)
    stamp = to_seconds(now)
    overlay = {}
    for name, (_, value) in compare(entry.base, wanted).items():
        known = entry.overlay.get(name)
        overlay[name] = known if known and known.value == value else Overlaid(value, by, stamp, why)
    fields = govern(entry.base, overlay)
    return rescheduled(entry, replace(entry, fields=fields, overlay=overlay, error=""), now)
