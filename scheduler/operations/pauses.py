"""Hold back runs: pause, resume, skip the next run."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from scheduler import changes
from scheduler.operations.answers.schedules import Schedule
from scheduler.operations.operation import MAX_NOTE_CHARS, Instant, Model, Parts, operation
from scheduler.status.as_json import detail_json

REPLACE = 'to replace that pause, `scheduler pause {name} --replace`, or through the API `"replace": true`'


class PauseAsked(Model):
    """A reason, and when it ends by itself."""

    note: str = Field("", max_length=MAX_NOTE_CHARS)
    until: Instant | None = None
    replace: bool = Field(False, description="Put it in the place of a pause that holds already; else that is refused.")


class NoteAsked(Model):
    """A reason."""

    note: str = Field("", max_length=MAX_NOTE_CHARS)


@operation("POST", "/schedules/{name}/pause", "operator", Schedule, PauseAsked)
def pause(its: Parts, name: str, asked: PauseAsked) -> dict[str, Any]:
    """Pause a schedule, until a time or until it is resumed; 409 if it is paused already, unless you say `replace`."""
    remedy = "" if asked.replace else REPLACE.format(name=name)
    changes.pause(its.store, name, by=its.user, note=asked.note, until=asked.until, hindered=lambda _: remedy)
    return as_it_is(its, name)


@operation("POST", "/schedules/{name}/resume", "operator", Schedule)
def resume(its: Parts, name: str) -> dict[str, Any]:
    """End the pause of a schedule."""
    changes.resume(its.store, name, by=its.user)
    return as_it_is(its, name)


@operation("POST", "/schedules/{name}/skip", "operator", Schedule, NoteAsked)
def skip(its: Parts, name: str, asked: NoteAsked) -> dict[str, Any]:
    """Skip the next run of a schedule, once."""
    changes.skip(its.store, name, by=its.user, note=asked.note)
    return as_it_is(its, name)


@operation("POST", "/schedules/{name}/unskip", "operator", Schedule)
def unskip(its: Parts, name: str) -> dict[str, Any]:
    """Do not skip the next run after all."""
    changes.unskip(its.store, name, by=its.user)
    return as_it_is(its, name)


def as_it_is(its: Parts, name: str) -> dict[str, Any]:
    """The schedule after a change."""
    return detail_json(its.status.detail(name, runs=1), pile_up=None)  # the known one may be older


OPERATIONS = (pause, resume, skip, unskip)
