"""Runs: find them, look at one, run a schedule now or later, stop, retry."""

from __future__ import annotations

import time
from base64 import b64encode
from typing import Any, Literal

from pydantic import Field

from scheduler import changes
from scheduler.errors import NotFound
from scheduler.model import Outcome, Reason
from scheduler.model import Run as LedgerRun
from scheduler.operations.answers.runs import Errors, Output, Quarters, Run, RunDetail, Runs, Sent
from scheduler.operations.operation import Instant, Model, Parts, Text, operation
from scheduler.operations.pauses import NoteAsked
from scheduler.status import output as outputs
from scheduler.status import runs as found_runs
from scheduler.status.as_json import attempts_json, failures_json, output_json, run_json
from scheduler.status.place import PATTERN, Place
from scheduler.status.progress import progress_of
from scheduler.status.quarters import quarters
from scheduler.status.wanted import Starter, Wanted, with_schedules
from scheduler.storage.beside import beside
from scheduler.storage.instants import iso


class WantedAsked(Model):
    """Which runs; what is left out matches every run."""

    q: Text = Field("", description="Text in the name of the schedule.")
    schedule: Text = Field("", description="Exactly this schedule.")
    tag: Text = Field("", description="A tag that its schedule has now.")
    error: Text = Field("", description="Text in the first line of its error.")
    worker: Text = Field("", description="Text in the name of the worker that took it.")
    task: Text = Field("", description="Text in its task; if it was never sent, in its schedule's task.")
    queue: Text = Field("", description="Exactly this queue; if it was never sent, its schedule's queue.")
    started_by: Starter | Literal[""] = Field(
        "", description="`person`: it is manual, or of a backfill; `run`: it follows another run; `schedule`: neither."
    )
    outcome: Outcome | Literal["", "wrong"] = Field("", description="`wrong`: failed or lost.")
    reason: Reason | Literal[""] = Field(
        "", description="The word that says why it was skipped, failed, stopped, lost or sent again."
    )
    since: Instant | None = None
    until: Instant | None = None

    def wanted(self, its: Parts) -> Wanted:
        """The same for the search."""
        texts = {key: getattr(self, key) for key in ("schedule", "error", "worker", "task", "queue", "started_by")}
        wanted = Wanted(
            since=self.since.timestamp() if self.since else 0.0,
            until=self.until.timestamp() if self.until else float("inf"),
            outcome=self.outcome,
            text=self.q,
            reason=str(self.reason),
            **texts,
        )
        return with_schedules(wanted, self.tag, its.catalogue.look)


class FindAsked(WantedAsked):
    """Which runs, and which page of them."""

    cursor: str = Field("", pattern=PATTERN, description="`next` of the page before.")
    limit: int = Field(50, ge=1, le=500)


class RunAsked(Model):
    """Arguments in place of the schedule's, and when."""

    args: list[Any] | None = None
    kwargs: dict[str, Any] | None = None
    at: Instant | None = Field(None, description="Now, if it is left out.")


class OutputAsked(Model):
    """Which attempt."""

    attempt: int | None = Field(None, ge=1, le=1_000_000, description="The last, if it is left out.")
    raw: bool = Field(False, description="Head and tail as base64, for what is not UTF-8, or cut within a character.")


@operation("GET", "/runs", "viewer", Runs, FindAsked)
def find(its: Parts, asked: FindAsked) -> dict[str, Any]:
    """Find runs of all schedules, newest first."""
    page = found_runs.find(its.ledger, asked.wanted(its), Place.read(asked.cursor), asked.limit)
    return {"items": [run_json(run) for run in page.runs], "next": str(page.older) if page.older else None}


@operation("GET", "/errors", "viewer", Errors, WantedAsked)
def errors(its: Parts, asked: WantedAsked) -> dict[str, Any]:
    """Count the runs that failed or were lost by schedule and error, the newest first."""
    alike = found_runs.by_error(its.ledger, asked.wanted(its))
    return {
        "items": list(map(failures_json, alike.failures)),
        "back_to": iso(alike.back_to.at) if alike.back_to else None,
    }


@operation("GET", "/quarters", "viewer", Quarters)
def by_quarter(its: Parts) -> dict[str, Any]:
    """Count what failed, was lost or was skipped in each quarter of an hour of the last day, oldest first."""
    found = quarters(its.ledger, time.time(), its.catalogue.look().expected_to_fail)
    return {"items": [it._asdict() | {"at": iso(it.at)} for it in found]}


@operation("GET", "/runs/{run_id}", "viewer", RunDetail)
def show(its: Parts, run_id: str) -> dict[str, Any]:
    """Show one run, with each of its attempts."""
    run = get(its, run_id)
    ids = {key: it.id if it else None for key, it in beside(its.ledger, run)._asdict().items()}
    return run_json(run) | {"attempts": attempts_json(run), "progress": progress_of(its.celery, run)} | ids


@operation("GET", "/runs/{run_id}/output", "viewer", Output, OutputAsked)
def output(its: Parts, run_id: str, asked: OutputAsked) -> dict[str, Any]:
    """Show what an attempt of a run printed and logged, also while it runs."""
    run = get(its, run_id)
    if asked.attempt is not None and asked.attempt > run.attempt:
        raise NotFound(f"{run.id} has no attempt {asked.attempt}: its last is {run.attempt}")
    shown = outputs.of_attempt(its.ledger, run.id, asked.attempt or run.attempt)
    body = output_json(shown) | {"attempts": run.attempt, "outcome": run.outcome}
    return body | ({"head": as_base64(shown.head), "tail": as_base64(shown.tail)} if asked.raw else {})


@operation("POST", "/schedules/{name}/runs", "operator", Sent, RunAsked, status=201)
def run(its: Parts, name: str, asked: RunAsked) -> dict[str, Any]:
    """Run a schedule now, or once at a later time, outside its timing."""
    known = changes.Known(its.tasks, its.file_only)
    given: dict[str, Any] = {"by": its.user, "args": asked.args, "kwargs": asked.kwargs, "known": known}
    if asked.at is None:
        return {"run": changes.run(its.dispatcher, its.store, name, **given), "at": None}
    identity = changes.run_at(its.dispatcher, its.store, its.ledger, name, asked.at, **given)
    return {"run": identity, "at": iso(asked.at)}


@operation("POST", "/runs/{run_id}/stop", "operator", Run, NoteAsked)
def stop(its: Parts, run_id: str, asked: NoteAsked) -> dict[str, Any]:
    """Stop a run that is queued or running. A running one ends a little later, when its worker has stopped it."""
    get(its, run_id)
    changes.stop(its.ledger, run_id, by=its.user, note=asked.note)
    return run_json(its.ledger.get(run_id))


@operation("POST", "/runs/{run_id}/retry", "operator", Run, NoteAsked)
def retry(its: Parts, run_id: str, asked: NoteAsked) -> dict[str, Any]:
    """Run a run again that failed, was lost, stopped or skipped."""
    get(its, run_id)
    changes.retry(its.dispatcher, its.store, its.ledger, run_id, by=its.user, note=asked.note)
    return run_json(its.ledger.get(run_id))


def as_base64(data: bytes) -> str:
    return b64encode(data).decode()


def get(its: Parts, run_id: str) -> LedgerRun:
    """The run; raises NotFound, also for a text that is no id."""
    try:
        return its.ledger.get(run_id)
    except (ValueError, OverflowError):
        raise NotFound(f"{run_id[:100]!r} is not the id of a run: `scheduler history` lists them") from None


OPERATIONS = (find, errors, by_quarter, show, output, run, stop, retry)
