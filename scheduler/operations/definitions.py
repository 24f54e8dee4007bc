"""Change what a schedule is: create, replace, switch on and off, revert to the file, delete."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from scheduler import changes
from scheduler.errors import Conflict
from scheduler.model import Entry
from scheduler.operations.answers.schedules import Deleted, Schedule
from scheduler.operations.operation import MAX_NOTE_CHARS, Model, Name, Parts, operation
from scheduler.operations.pauses import as_it_is

Why = Annotated[str, Field(max_length=MAX_NOTE_CHARS, description="The reason, for the audit log.")]
Fields = Annotated[dict[str, Any], Field(description="Its keys as in the schedule file.")]


class CreateAsked(Model):
    """A new schedule."""

    name: Name
    fields: Fields


class ReplaceAsked(Model):
    """All keys of a schedule; one that is left out gets its default."""

    fields: Fields
    why: Why = ""


class WhyAsked(Model):
    """A reason."""

    why: Why = ""


class RevertAsked(Model):
    """A key, or all of them."""

    field: str = Field("", description="Empty for every key that differs from the file.")


@operation("POST", "/schedules", "editor", Schedule, CreateAsked, status=201)
def create(its: Parts, asked: CreateAsked) -> dict[str, Any]:
    """Create a schedule."""
    if its.store.indexed([asked.name]):
        raise Conflict(f"there is already a schedule '{asked.name}': choose another name, or replace that one")
    changes.create(its.store, asked.name, asked.fields, tasks=its.tasks, by=its.user, file_only=its.file_only)
    return as_it_is(its, asked.name)


@operation("PUT", "/schedules/{name}", "editor", Schedule, ReplaceAsked, is_guarded=True)
def replace(its: Parts, name: str, asked: ReplaceAsked, revision: int | None) -> dict[str, Any]:
    """Replace the keys of a schedule; of one from the file, as overlays that end when the file changes that key."""
    edit(its, name, asked.fields, revision, asked.why)
    return as_it_is(its, name)


@operation("POST", "/schedules/{name}/enable", "editor", Schedule, WhyAsked)
def enable(its: Parts, name: str, asked: WhyAsked) -> dict[str, Any]:
    """Switch a schedule on."""
    return switch(its, name, asked.why, is_on=True)


@operation("POST", "/schedules/{name}/disable", "editor", Schedule, WhyAsked)
def disable(its: Parts, name: str, asked: WhyAsked) -> dict[str, Any]:
    """Switch a schedule off: it is kept, and never sent."""
    return switch(its, name, asked.why, is_on=False)


@operation("POST", "/schedules/{name}/revert", "editor", Schedule, RevertAsked)
def revert(its: Parts, name: str, asked: RevertAsked) -> dict[str, Any]:
    """Drop what was changed on the page: the file's values apply again."""
    changes.revert(its.store, name, asked.field, tasks=its.tasks, by=its.user, file_only=its.file_only)
    return as_it_is(its, name)


@operation("DELETE", "/schedules/{name}", "editor", Deleted, is_guarded=True)
def delete(its: Parts, name: str, revision: int | None) -> dict[str, Any]:
    """Delete a schedule that was created here; one of the file is deleted there."""
    seen = its.store.get(name)
    refuse_other(seen, revision)
    changes.remove(its.store, name, by=its.user, seen=seen)
    return {"deleted": name}


def edit(its: Parts, name: str, fields: dict[str, Any], revision: int | None, why: str) -> None:
    """Set all fields; ``excluded``, which a reader of a schedule gets with them, follows from ``except``."""
    wanted = {key: value for key, value in fields.items() if key != "excluded"}
    what: dict[str, Any] = {"tasks": its.tasks, "file_only": its.file_only}
    changes.edit(its.store, name, wanted, by=its.user, revision=revision, why=why, **what)


def switch(its: Parts, name: str, why: str, *, is_on: bool) -> dict[str, Any]:
    entry = its.store.get(name)
    edit(its, name, entry.fields | {"enabled": is_on}, entry.revision, why)
    return as_it_is(its, name)


def refuse_other(entry: Entry, revision: int | None) -> None:
    """Raise Conflict if the entry has another revision."""
    if revision not in (None, entry.revision):
        raise Conflict(f"'{entry.name}' has changed since you read it: read it again, then repeat your change")


OPERATIONS = (create, replace, enable, disable, revert, delete)
