"""Answers about schedules and their changes, for the API's document."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from scheduler.model import Outcome
from scheduler.operations.answers.runs import At, Backfill, Run, Waiting
from scheduler.operations.operation import Model
from scheduler.status.rows import State

Fields = Annotated[dict[str, Any], Field(description="As in the schedule file; see its JSON Schema.")]


class Mark(Model):
    """How a run ended, or a stretch of skips."""

    due: At
    outcome: Outcome
    duration: float | None = Field(description="Seconds; null where no body began.")


class Failing(Model):
    """A schedule whose newest ended runs failed or were lost."""

    since: At
    count: int = Field(description="How many in a row.")


class Unstarted(Model):
    """A schedule whose run does not start."""

    state: Literal["late", "stuck"]
    since: At


class Row(Model):
    """A schedule in the list."""

    name: str
    state: State
    task: str
    timing: str = Field(description="In words.")
    zone: str
    origin: str
    description: str
    error: str
    tags: list[str]
    overlaid: list[str]
    next: At | None
    failing: Failing | None
    unstarted: Unstarted | None
    expected_to_fail: str = Field(description="Why its failures are no problem; empty if they are.")
    recent: list[Mark] = Field(description="How its last 20 runs ended, the oldest first.")
    last: Run | None


class ListedRow(Row):
    """A schedule in the list, with its backfill that is not done."""

    backfill: Backfill | None
    waiting: list[Waiting]


class Rows(Model):
    """Schedules by name; `next` is the cursor of the next page."""

    items: list[ListedRow]
    next: str | None
    unread: int = Field(description="How many more may have the error that is searched for: 1,000 errors are read.")


class Pause(Model):
    """A pause; without `until`, until a person resumes it."""

    by: str
    at: At | None
    note: str
    until: At | None


class Skip(Model):
    """A due instant that a person asked to skip."""

    by: str
    at: At | None
    due: At | None
    note: str


class Overlaid(Model):
    """A value that the page has in place of the file's."""

    value: Any
    by: str
    at: At | None
    why: str


class PileUp(Model):
    """A minute of the coming day in which many schedules are due."""

    minute: At
    others: int = Field(description="How many besides this one.")


class Schedule(Row):
    """One schedule; its revision is the ETag for If-Match."""

    fields: Fields
    base: Fields = Field(description="What the file says.")
    overlay: dict[str, Overlaid]
    pause: Pause | None
    skip: Skip | None
    revision: int
    notes: list[str] = Field(description="Effects of clock changes within a year.")
    waiting: list[Waiting]
    upcoming: list[At]
    pile_up: PileUp | None = Field(
        description="Which of the five busiest minutes it is due in; null if in none, or if that is not known: the "
        "minutes are looked at beside a request, at most every 30 seconds, and not for a command or after a change."
    )
    runs: list[Run]


class Deleted(Model):
    """The schedule that is gone; its line in the audit log can be undone."""

    deleted: str


class Next(Model):
    """Due instants of one schedule."""

    timing: str
    timezone: str
    next: list[At]


class Due(Model):
    """A due instant in the timeline."""

    at: At
    schedule: str


class Timeline(Model):
    """Due instants of all schedules in the order of time; `next` is the cursor of the next page."""

    items: list[Due]
    next: str | None


class Patch(Model):
    """What would be written into the schedule file, or was."""

    file: str
    patch: str
    reasons: list[str] = Field(description="What to check before it is written.")
    digest: str = Field(description="Of exactly this change of exactly this file.")
    written: bool


class Line(Model):
    """A line of the audit log; pauses and skips as they were before and after."""

    id: str
    by: str
    at: At | None
    change: str
    schedule: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    why: str
    pause: list[Pause | None] | None = None
    skip: list[Skip | None] | None = None
    base: dict[str, Any] | None = None
    overlay: dict[str, Overlaid] | None = None
    runs: int | None = None
    group: str | None = Field(None, description="Of the lines that one act on many schedules wrote.")


class Lines(Model):
    """Lines of the audit log, newest first; `next` is the cursor of the next page."""

    items: list[Line]
    next: str | None


class BulkAnswer(Model):
    """To which schedules or runs an act was done, or would be, and why not to the others; ``group`` undoes it."""

    done: list[str]
    left: dict[str, str]
    group: str


class Undone(Model):
    """What an undo did."""

    undone: str
    kind: str
    schedule: str
    sentence: str
