"""Pausing and resuming one schedule. A pause that holds is replaced only by someone who means to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from scheduler.changes.acts import change_entry
from scheduler.errors import NotFound, RefusedChange
from scheduler.model import Entry, Pause
from scheduler.storage.instants import clock, from_seconds, to_seconds
from scheduler.storage.store import Store

Hindered = Callable[[Pause], str]  #: what to do about a pause that holds already; empty to replace it


def pause(
    store: Store,
    name: str,
    *,
    by: str,
    note: str = "",
    until: datetime | None = None,
    why: str = "",
    hindered: Hindered = lambda _: "",
) -> Entry:
    """Pause a schedule, until a time or until resumed. A pause survives reload, restart and deploy."""
    return change_entry(store, name, by, "pause", pausing(by, note, until, hindered), why or note)


def pausing(
    by: str, note: str = "", until: datetime | None = None, hindered: Hindered = lambda _: ""
) -> Callable[[Entry], Entry]:
    """What a pause makes of an entry; raises RefusedChange for an end in the past, and for a pause in its way.

    One that says the same by the same person may be replaced always.
    """
    if until is not None and until <= clock():
        raise RefusedChange(f"{until:%Y-%m-%d %H:%M:%S} UTC is in the past: give a later time")
    stop = Pause(by, clock().timestamp(), note, None if until is None else to_seconds(until))

    def paused(entry: Entry) -> Entry:
        held = entry.pause
        if held and holds(held) and replace(held, at=stop.at) != stop and (remedy := hindered(held)):
            raise RefusedChange(f"'{entry.name}' is paused already by {told(held)}: {remedy}")
        return replace(entry, pause=stop)

    return paused


def holds(held: Pause) -> bool:
    """Whether the pause is not over."""
    return held.until is None or held.until > clock().timestamp()


def told(held: Pause) -> str:
    """By whom, until when and why."""
    end = f" until {from_seconds(held.until):%Y-%m-%d %H:%M} UTC" if held.until else ""
    return f"{held.by}{end}" + (f" ({held.note})" if held.note else "")


def resume(store: Store, name: str, *, by: str, why: str = "") -> Entry:
    """End a pause now. Beat records the paused due instants, and sends the next one."""
    return change_entry(store, name, by, "resume", resumed, why)


def resumed(entry: Entry) -> Entry:
    """The entry with its pause ending now; raises NotFound if it has none."""
    if entry.pause is None:
        raise NotFound(f"'{entry.name}' is not paused: there is nothing to resume")
    # Not dropped here: beat has yet to record what was skipped in the pause.
    return replace(entry, pause=replace(entry.pause, until=clock().timestamp()))
