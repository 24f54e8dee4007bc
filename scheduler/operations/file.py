"""Write what was changed on the page into the schedule file: first the patch, then the file."""

from __future__ import annotations

import hashlib
from typing import Any

from pydantic import Field

from scheduler.changes import export
from scheduler.changes.export import Proposal
from scheduler.errors import Conflict, NotFound
from scheduler.operations.answers.schedules import Patch
from scheduler.operations.operation import Model, Parts, operation


class PatchAsked(Model):
    """A key, or all that were changed."""

    field: str = ""


class WriteAsked(PatchAsked):
    """The patch that was seen."""

    digest: str = Field(description="As in the patch, so that nothing else is written.")


@operation("GET", "/schedules/{name}/file", "editor", Patch, PatchAsked)
def show(its: Parts, name: str, asked: PatchAsked) -> dict[str, Any]:
    """Show the patch that would bring what was changed here into the schedule file."""
    return as_json(propose(its, name, asked.field), is_written=False)


@operation("POST", "/schedules/{name}/file", "editor", Patch, WriteAsked)
def write(its: Parts, name: str, asked: WriteAsked) -> dict[str, Any]:
    """Write the patch, if it is still the one that was seen."""
    made = propose(its, name, asked.field)
    if asked.digest != digest(made):
        raise Conflict("the file or the schedule has changed since you read the patch: read it again")
    export.write(its.store, made, by=its.user)
    return as_json(made, is_written=True)


def propose(its: Parts, name: str, field: str) -> Proposal:
    """The change of the file that declares it; raises NotFound if the file has these values already."""
    made = export.propose(its.settings.file, its.tasks, [its.store.get(name)], [field] if field else ())
    if not made:
        values = f"this {field}" if field else "these values"
        raise NotFound(f"the schedule file already has {values} for '{name}': there is nothing to write")
    return made[0]


def digest(made: Proposal) -> str:
    """Identifies exactly this change of exactly this file."""
    return hashlib.sha256(b"\0".join([bytes(made.path), made.before, made.after])).hexdigest()


def as_json(made: Proposal, *, is_written: bool) -> dict[str, Any]:
    shown = {"file": str(made.path), "patch": made.patch, "reasons": list(made.reasons)}
    return shown | {"digest": digest(made), "written": is_written}


OPERATIONS = (show, write)
