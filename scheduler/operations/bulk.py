"""One act on many schedules: what it would do, the act, its undo."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from scheduler.changes import Known
from scheduler.changes.bulk import MAX_AT_ONCE, Answer, Asked, Bulk, unique
from scheduler.changes.bulk_runs import BulkOfRuns
from scheduler.operations.answers.schedules import BulkAnswer
from scheduler.operations.definitions import Why
from scheduler.operations.operation import Instant, Model, Name, Parts, operation
from scheduler.operations.schedules import SearchAsked, found

Names = Annotated[list[Name], Field(max_length=MAX_AT_ONCE)]


class ManyAsked(Model):
    """Which schedules, and why."""

    names: Names = Field([], description="These schedules; or, without any, those of `search`.")
    search: SearchAsked | None = Field(None, description="All that this finds; `done` of a dry run names them.")
    why: Why = ""
    dry_run: bool = Field(False, description="Say what would happen, and change nothing.")

    @model_validator(mode="after")
    def names_or_search(self) -> Self:
        """Refuse both, and neither."""
        if bool(self.names) == (self.search is not None):
            raise ValueError("send either names or search")
        return self


class OperateAsked(ManyAsked):
    """An operator's act."""

    act: Literal["run", "stop", "retry", "pause", "resume", "skip", "unskip"]
    until: Instant | None = Field(None, description="The end of a pause.")


class EditAsked(ManyAsked):
    """An editor's act."""

    act: Literal["enable", "disable", "spread", "tag", "untag", "revert", "delete"]
    value: str = Field("", max_length=200, description="The tag, or the jitter of a spread.")


@operation("POST", "/bulk/operate", "operator", BulkAnswer, OperateAsked)
def operate(its: Parts, asked: OperateAsked) -> dict[str, Any]:
    """Run, pause, resume or skip many schedules, stop their runs, or retry the last ones; with one reason.

    What it did to runs cannot be undone.
    """
    return do(its, asked, Asked(asked.act, its.user, asked.why, asked.until))


@operation("POST", "/bulk/edit", "editor", BulkAnswer, EditAsked)
def edit(its: Parts, asked: EditAsked) -> dict[str, Any]:
    """Enable, disable, spread, tag, untag, revert or delete many schedules, with one reason and one undo."""
    return do(its, asked, Asked(asked.act, its.user, asked.why, value=asked.value))


class RunsAsked(Model):
    """Which runs, what to do, and why."""

    act: Literal["stop", "retry"]
    runs: Names = Field(min_length=1, description="Their ids.")
    why: Why = ""
    dry_run: bool = Field(False, description="Say what would happen, and change nothing.")


@operation("POST", "/bulk/runs", "operator", BulkAnswer, RunsAsked)
def runs(its: Parts, asked: RunsAsked) -> dict[str, Any]:
    """Stop or retry many runs; `done` has their ids. It cannot be undone."""
    many = bulk_of_runs(its)
    if asked.dry_run:
        return as_json(many.forecast(asked.act, unique(asked.runs)))
    return as_json(many.carry_out(Asked(asked.act, its.user, asked.why), unique(asked.runs)))


@operation("POST", "/bulk/{group}/undo", "editor", BulkAnswer)
def undo(its: Parts, group: str) -> dict[str, Any]:
    """Undo one act on many schedules, by the group of its lines in the audit log."""
    return as_json(bulk_of(its).undo(group, its.user))


def do(its: Parts, asked: ManyAsked, wanted: Asked) -> dict[str, Any]:
    """Do it, or say what it would do."""
    names = unique(found(its, asked.search).names if asked.search else asked.names)
    return as_json(bulk_of(its).forecast(wanted, names) if asked.dry_run else bulk_of(its).carry_out(wanted, names))


def bulk_of(its: Parts) -> Bulk:
    return Bulk(its.store, its.ledger, its.dispatcher, Known(its.tasks, its.file_only))


def bulk_of_runs(its: Parts) -> BulkOfRuns:
    return BulkOfRuns(its.store, its.ledger, its.dispatcher)


def as_json(answer: Answer) -> dict[str, Any]:
    return {"done": answer.done, "left": answer.left, "group": answer.group}


OPERATIONS = (operate, edit, runs, undo)
