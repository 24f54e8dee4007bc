"""Compute the changes from the stored schedules to the wanted ones. Pure: writes nothing.

Each field of a schedule from the file has three sides: the file last time (``base``), the file now, and the admin's
change (``overlay``). A field that the file did not change keeps its overlay; otherwise it takes the file's value.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from scheduler.changes.planned import Change as Change
from scheduler.changes.planned import Kind
from scheduler.changes.planned import Plan as Plan
from scheduler.model import TIMING_FIELDS, TIMING_KINDS, Declared, Entry, Overlaid
from scheduler.model.entry import Origin
from scheduler.storage.instants import to_seconds

AGAIN = "the file declares it again"
MOVED = {
    "file": "the file declares it now, in the place of the application",
    "app": "the application declares it now, in the place of the file",
}

Calendars = Mapping[str, Sequence[str]]


def plan_file(
    stored: Mapping[str, Entry],
    wanted: Mapping[str, Declared],
    now: datetime,
    calendars: Calendars = MappingProxyType({}),
    zone: str = "UTC",
    app: Collection[str] = (),
    kept: Collection[str] = (),
    progress: Callable[[], None] = lambda: None,
) -> Plan:
    """The changes of loading a valid file: schedules of origin ``file``, and excluded days from its calendars.

    ``calendars`` maps calendar names to days, for schedules of the page that name them; ``zone`` is the application's.
    ``app`` are the wanted schedules that the application declares and the file does not; of its schedules ``kept`` has
    those that stay although they are not wanted, because they have errors. ``progress`` is called for each schedule.
    """
    renames = find_renames(stored, wanted)
    changes = []
    for name, declared in wanted.items():
        progress()
        entry = stored.get(renames.get(name, name))
        origin: Origin = "app" if name in app else "file"
        change = add(declared, now, zone, origin) if entry is None else update(entry, declared, now, calendars, origin)
        if change is not None:
            changes.append(change)
    gone = [entry for entry in stored.values() if entry.is_declared and entry.name not in wanted]
    gone = [entry for entry in gone if not (entry.origin == "app" and entry.name in kept)]
    moved = set(renames.values())
    changes += [Change("remove", entry.name, before=entry) for entry in gone if entry.name not in moved]
    made_here = [entry for entry in stored.values() if entry.origin == "admin" and entry.name not in wanted]
    changes += [change for entry in made_here if (change := follow(entry, now, calendars)) is not None]
    return Plan(tuple(changes), sum(entry.is_declared for entry in stored.values()))


def find_renames(stored: Mapping[str, Entry], wanted: Mapping[str, Declared]) -> dict[str, str]:
    """New to former name, where the former is stored but no longer in the file, and the new is not stored yet."""
    return {
        name: former
        for name, declared in wanted.items()
        if (former := declared.schedule.renamed_from)
        and name not in stored
        and former not in wanted
        and former in stored
        and stored[former].is_declared
    }


def add(declared: Declared, now: datetime, zone: str, origin: Origin = "file") -> Change:
    """Add a schedule that is not stored; it first falls due after ``now``."""
    fields = declared.fields()
    due = declared.timing.next_due(now)
    entry = Entry(name=declared.name, origin=origin, fields=fields, base=fields, due=due, zone=zone)
    return Change("add", declared.name, after=entry, declared=declared)


def follow(entry: Entry, now: datetime, calendars: Calendars) -> Change | None:
    """The change that the file's calendars make to a schedule of the page; None without one."""
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
    """The days of these calendars; None without names, or if a calendar is gone: then the days stay."""
    if not isinstance(names, list) or not names or not all(name in calendars for name in names):
        return None
    return [*dict.fromkeys(day for name in names for day in calendars[name])]


def update(
    entry: Entry, declared: Declared, now: datetime, calendars: Calendars, origin: Origin = "file"
) -> Change | None:
    """The change that the file makes to a stored schedule; None without one."""
    name = declared.name
    is_back = entry.origin == "admin" and bool(entry.base)  # it left the file, and a person restored it
    if entry.origin == "admin" and not entry.error:
        followed = follow(entry, now, calendars)
        alike = followed.after if followed and followed.after else entry
        # Written to the file from the page, it is the same schedule: its history and its due instant stay.
        if alike.fields == declared.fields():
            after = replace(alike, origin=origin, base=alike.fields, overlay={})
            why = AGAIN if is_back else "the file now declares this schedule, which was created on the page"
            return Change("update", name, entry, after, compare(entry.fields, after.fields), why=why)
    if not entry.is_declared and not is_back:
        why = f"a schedule of this name already exists, with origin {entry.origin}"
        return Change("conflict", name, before=entry, why=why)
    base = declared.fields()
    kept, dropped = merge(entry, declared, calendars)
    fields = govern(base, kept)
    if (
        not entry.error
        and not is_back
        and (fields, base, kept, name, origin)
        == (entry.fields, entry.base, dict(entry.overlay), entry.name, entry.origin)
    ):
        return None
    after = replace(entry, name=name, origin=origin, fields=fields, base=base, overlay=kept, error="")
    after = rescheduled(entry, after, now)
    kind: Kind = "update" if name == entry.name else "rename"
    # What the file took over from the page is no loss, so it needs no warning.
    agreed = {key for key, note in dropped.items() if note.value == base.get(key)}
    reasons = [f"from {entry.name}"] if kind == "rename" else []
    reasons += [AGAIN] if is_back else []
    reasons += [MOVED[origin]] if entry.is_declared and entry.origin != origin else []
    reasons += [f"the file now has the page's value: {', '.join(sorted(agreed))}"] if agreed else []
    lost = {key: note for key, note in dropped.items() if key not in agreed}
    return Change(kind, name, entry, after, compare(entry.fields, fields), lost, "; ".join(reasons))


def merge(entry: Entry, declared: Declared, calendars: Calendars) -> tuple[dict[str, Overlaid], dict[str, Overlaid]]:
    """The overlays to keep and those to drop; timing keys stay or go together, and so do calendars and their days."""
    if not entry.overlay:
        return {}, {}
    base = declared.fields()
    gone = set(compare(entry.base, base))
    # A schedule has one timing key: an overlaid `every` cannot stay beside a new `cron`.
    gone |= {*TIMING_KINDS} if gone & {*TIMING_KINDS} else set()
    # Days follow the choice of calendars: a new day in a calendar of the file does not change that choice.
    gone = gone | {"excluded"} if "except" in gone or "except" not in entry.overlay else gone - {"excluded"}
    kept: dict[str, Overlaid] = {}
    # The kept overlay may contradict the new file (an end before the start): then drop more, up to all of it.
    for also in ((), TIMING_FIELDS - {"enabled", "max_runs"}, entry.overlay):
        gone |= {*also}
        kept = with_days({name: note for name, note in entry.overlay.items() if name not in gone}, base, calendars)
        if can_fire(declared.name, govern(base, kept)):
            break
    followed = {"excluded"} if "except" in kept else set()
    return kept, {name: note for name, note in entry.overlay.items() if name not in {*kept, *followed}}


def with_days(overlay: dict[str, Overlaid], base: Mapping[str, Any], calendars: Calendars) -> dict[str, Overlaid]:
    """The overlay with the current days of its calendars."""
    chosen = overlay.get("except")
    days = days_of(chosen.value, calendars) if chosen else None
    if chosen is None or days is None:
        return overlay
    rest = {name: note for name, note in overlay.items() if name != "excluded"}
    value = days or None
    return rest if value == base.get("excluded") else rest | {"excluded": replace(chosen, value=value)}


def can_fire(name: str, fields: Mapping[str, Any]) -> bool:
    """Whether these fields give a valid timing together: fields of file and overlay may contradict each other."""
    try:
        return Entry(name, "file", dict(fields)).declared().timing is not None
    except ValueError:
        return False


def govern(base: Mapping[str, Any], overlay: Mapping[str, Overlaid]) -> dict[str, Any]:
    """The fields in force: the file's, overridden by the overlay; an overlay of None removes a field."""
    fields = {**base, **{name: note.value for name, note in overlay.items()}}
    return {name: value for name, value in fields.items() if value is not None}


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Each field that differs, with both values."""
    names = [*before, *(name for name in after if name not in before)]
    return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}


def rescheduled(before: Entry, after: Entry, now: datetime) -> Entry:
    """The entry, with a new due instant if a timing field changed."""
    changed = TIMING_FIELDS & compare(before.fields, after.fields).keys()
    # An edit of anything else, such as the arguments, must not move the next run.
    if not changed and not before.error:
        return after
    return replace(after, due=after.declared().timing.next_due(now))


def edit(entry: Entry, declared: Declared, by: str, now: datetime, why: str = "") -> Entry:
    """The entry after an edit: for a schedule that is or was the file's, an overlay for each field that differs."""
    wanted = declared.fields()
    if not entry.is_declared and not entry.base:
        return rescheduled(entry, replace(entry, fields=wanted, error=""), now)
    stamp = to_seconds(now)
    overlay = {}
    for name, (_, value) in compare(entry.base, wanted).items():
        known = entry.overlay.get(name)
        # A change that was made before keeps its author and its time.
        overlay[name] = known if known and known.value == value else Overlaid(value, by, stamp, why)
    fields = govern(entry.base, overlay)
    return rescheduled(entry, replace(entry, fields=fields, overlay=overlay, error=""), now)
