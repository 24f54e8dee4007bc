"""Answers about runs, for the API's document: the JSON of ``status.as_json``, key by key."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from scheduler.model import Outcome
from scheduler.operations.operation import Model

At = Annotated[str, Field(json_schema_extra={"format": "date-time"})]  #: ISO 8601 in UTC


class Run(Model):
    """A due instant, or a manual run, in the ledger; durations are seconds."""

    id: str
    schedule: str
    due: At
    outcome: Outcome
    manual: bool
    task: str
    task_id: str
    reason: str = Field(description="A word that says why it did not simply run.")
    detail: str = Field(description="The reason in a sentence.")
    queue: str
    sent: At | None
    expires: At | None
    started: At | None
    finished: At | None
    worker: str
    result: str
    traceback: str
    exit_code: int | None = Field(description="Of the program that failed, as a shell has it.")
    by: str
    arguments: str = Field(description="In place of its schedule's: JSON, a list of args and kwargs.")
    attempt: int
    was: str = Field(description="Its outcome before a retry.")
    count: int = Field(description="Due instants that the row stands for, from `due` to `until`.")
    until: At | None
    backfill: bool
    ping: bool
    slow_after: float
    group: str
    pause_after: int
    parent: str
    children: list[str]
    lateness: float | None
    duration: float | None


class Progress(Model):
    """What a running task reported."""

    current: float | None
    total: float | None
    message: str


class Attempt(Model):
    """One start of a run's body; `ended` is null while it runs, `outcome` is that of a run or `interrupted`."""

    number: int
    started: At | None
    ended: At | None
    duration: float | None
    worker: str
    outcome: str
    error: str


class RunDetail(Run):
    """A run, its attempts (the newest 21 of them), and what it reported while it is under way."""

    attempts: list[Attempt]
    progress: Progress | None
    older: str | None = Field(description="The run of the same schedule that was due before it.")
    newer: str | None = Field(description="The run of the same schedule that was due after it.")


class Runs(Model):
    """Runs, newest first; `next` is the cursor of the next page."""

    items: list[Run]
    next: str | None


class Failures(Model):
    """Runs of one schedule that went wrong with the same error."""

    schedule: str
    error: str
    count: int
    first: At
    last: At
    run: str = Field(description="The newest of them.")


class Errors(Model):
    """What went wrong; `back_to` is the due instant back to which it was counted, null if all was."""

    items: list[Failures]
    back_to: At | None


class Quarter(Model):
    """Counts of a quarter of an hour, by due instant; a stretch of skips counts once, at its end."""

    at: At
    went_wrong: int = Field(description="Failed or lost.")
    skipped: int
    expected: int = Field(description="How many of `went_wrong` belong to schedules that are expected to fail.")


class Quarters(Model):
    """The quarters of an hour of the last day, oldest first."""

    items: list[Quarter]


class Sent(Model):
    """A run that was sent, or that waits for its time."""

    run: str
    at: At | None = None


class Waiting(Model):
    """A manual run that waits for its time."""

    id: str
    schedule: str
    at: At


class Output(Model):
    """What an attempt printed and logged: its head and tail, with `left_out` bytes between them."""

    run: str
    attempt: int
    written: int
    left_out: int
    head: str
    tail: str
    attempts: int
    outcome: Outcome


class Backfill(Model):
    """A backfill, and how far it is."""

    name: str
    state: str
    why: str
    only: str
    max_running: int
    by: str
    total: int
    sent: int
    first: At | None
    last: At | None
    at: At | None
    under_way: list[str]
    ended: dict[str, int] = Field(description="How many of its runs ended, by outcome.")


class BackfillPlan(Model):
    """What a backfill would run."""

    runs: list[At]
    left: int = Field(description="Due instants that would not run.")
    unknown: int = Field(description="Of `runs`: so old that they may have run before.")
    first: At | None
    last: At | None
    dry_run: bool
