"""The read-model as JSON: instants in ISO 8601 and UTC, durations in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from scheduler.model import Run
from scheduler.status.health import Health, QueueHealth
from scheduler.status.minutes import Minute
from scheduler.status.problems.facts import MAX_NAMED
from scheduler.status.problems.problem import ServiceProblem
from scheduler.status.read_model import Detail, Overview
from scheduler.status.rows import Row
from scheduler.status.runs import Failures
from scheduler.storage.backfills import Backfill
from scheduler.storage.health import Failing
from scheduler.storage.instants import iso
from scheduler.storage.lock import Holder
from scheduler.storage.output import Output
from scheduler.storage.sessions import Opened
from scheduler.storage.waiting import Waiting
from scheduler.storage.workers import Worker

if TYPE_CHECKING:
    from scheduler.status.pile_ups import PileUp


def run_json(run: Run) -> dict[str, Any]:
    """A run as JSON."""
    body = asdict(run)
    for name in ("references", "began", "earlier"):  # only the worker compares the first; see attempts_json
        del body[name]
    body["exit_code"] = run.exit_code or None
    for name in ("due", "sent", "expires", "started", "finished", "until"):
        body[name] = iso(body[name])
    del body["followers"]  # the schedule has it, and the runs that followed are in `children`
    body["children"] = run.children.split()
    return body | {"lateness": run.lateness, "duration": run.duration}


def attempts_json(run: Run) -> list[dict[str, Any]]:
    """Each attempt of a run that is known as JSON."""
    return [
        it._asdict() | {"started": iso(it.started), "ended": iso(it.ended), "duration": it.duration}
        for it in run.attempts
    ]


def failures_json(alike: Failures) -> dict[str, Any]:
    """Runs that went wrong with the same error as JSON."""
    times = {"first": iso(alike.first), "last": iso(alike.last)}
    return {"schedule": alike.schedule, "error": alike.error, "count": alike.count, **times, "run": alike.newest.id}


def output_json(output: Output) -> dict[str, Any]:
    """The output of an attempt as JSON; what is not UTF-8 is escaped."""
    head, tail = (part.decode("utf-8", "backslashreplace") for part in (output.head, output.tail))
    sizes = {"written": output.written, "left_out": output.left_out}
    return {"run": output.run_id, "attempt": output.attempt, **sizes, "head": head, "tail": tail}


def backfill_json(backfill: Backfill, ended: Mapping[str, int]) -> dict[str, Any]:
    """A backfill as JSON, with the numbers of its runs that ended, by outcome."""
    body = {
        key: getattr(backfill, key) for key in ("name", "state", "why", "only", "max_running", "by", "total", "sent")
    }
    body |= {key: iso(getattr(backfill, key)) for key in ("first", "last", "at")}
    return body | {"under_way": backfill.under_way, "ended": dict(ended)}


def waiting_json(item: Waiting) -> dict[str, Any]:
    """A run that waits for its time as JSON."""
    return item._asdict() | {"at": iso(item.at)}


def row_json(item: Row) -> dict[str, Any]:
    """A row as JSON."""
    shown = ("name", "state", "task", "timing", "zone", "origin", "description", "error", "expected_to_fail")
    body = {key: getattr(item, key) for key in shown}
    body |= {"tags": list(item.tags), "overlaid": list(item.overlaid), "next": iso(item.next)}
    body |= {
        "failing": failing_json(item.failing),
        "unstarted": {"state": it.state, "since": iso(it.since)} if (it := item.unstarted) else None,
        "recent": [mark._asdict() | {"due": iso(mark.due)} for mark in item.recent],
    }
    return body | {"last": run_json(item.last) if item.last else None}


def failing_json(failing: Failing | None) -> dict[str, Any] | None:
    """Since when a schedule is failing, and how often in a row, as JSON."""
    return None if failing is None else {"since": iso(failing.since), "count": failing.count}


def file_json(facts: dict[str, str]) -> dict[str, str]:
    """What became of the schedule file, without what only the list of problems reads."""
    return {name: fact for name, fact in facts.items() if name not in ("queues", "tasks")}


def problem_json(problem: ServiceProblem) -> dict[str, Any]:
    """A problem as JSON."""
    body = asdict(problem) | {"since": iso(problem.since)}
    del body["part"]
    return body


def queue_json(queue: QueueHealth) -> dict[str, Any]:
    """A queue as JSON, with the first of its schedules and their number."""
    body = {"name": queue.name, "waiting": queue.waiting, "since": iso(queue.since), "workers": list(queue.workers)}
    return body | {"schedules": list(queue.schedules[:MAX_NAMED]), "schedule_count": len(queue.schedules)}


def health_json(health: Health) -> dict[str, Any]:
    """The health of the service as JSON; durations in seconds, sizes in bytes."""
    facts = health.facts
    return {
        "headline": health.headline.words,
        "problems": [problem_json(problem) for problem, _ in health.problems],
        "unknown": [problem_json(problem) for problem in health.unknown],
        "news": list(health.news),
        "beat": leader_json(facts.leader) | {"lease_age": health.lease_age_s} if facts.leader else None,
        "standbys": [{"name": it, "same_file": it not in facts.standbys_with_other_file} for it in facts.standbys],
        "workers": [worker_json(worker, facts.now) for worker in facts.workers],
        "queues": [queue_json(queue) for queue in health.queues],
        "groups": [group._asdict() for group in facts.groups],
        "redis": asdict(health.redis),
        "file": file_json(facts.file),
    }


def worker_json(worker: Worker, now: float) -> dict[str, Any]:
    """A worker as JSON."""
    shown = ("name", "slots", "busy", "version")
    body = {key: getattr(worker, key) for key in shown} | {"queues": list(worker.queues)}
    return body | {"seen": iso(worker.seen), "silent": worker.is_silent(now)}


def leader_json(leader: Holder) -> dict[str, Any]:
    """The leader as JSON."""
    return {"name": leader.name, "lease_ends_in": leader.remaining, "since": iso(leader.since)}


def overview_json(overview: Overview) -> dict[str, Any]:
    """The whole service as JSON."""
    return {
        "leader": leader_json(overview.leader) if overview.leader else None,
        "standbys": list(overview.standbys),
        "file": file_json(overview.file),
        "problems": [problem_json(problem) for problem in overview.problems],
        "news": list(overview.news),
        "groups": [group._asdict() for group in overview.groups],
        "backfills": [backfill_json(*one) for one in overview.backfills],
        "waiting": [waiting_json(item) for item in overview.waiting],
        "total": overview.total,
        "schedules": [row_json(item) for item in overview.rows],
    }


def minute_json(minute: Minute) -> dict[str, Any]:
    """A minute as JSON."""
    return asdict(minute) | {"at": iso(minute.at)}


def noted(note: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A pause, a skip or an overlaid field as JSON."""
    instants = ("at", "until", "due")
    return None if note is None else {key: iso(it) if key in instants else it for key, it in note.items()}


def session_json(opened: Opened) -> dict[str, Any]:
    """A session of the page as JSON."""
    return opened._asdict() | {"at": iso(opened.at)}


def line_json(line: Mapping[str, Any]) -> dict[str, Any]:
    """A line of the audit log as JSON."""
    body = dict(line) | {"at": iso(line["at"])}
    body |= {key: [noted(one) for one in line[key]] for key in ("pause", "skip") if key in line}
    if "overlay" in line:
        body["overlay"] = {name: noted(note) for name, note in line["overlay"].items()}
    return body


def detail_json(detail: Detail, pile_up: PileUp | None) -> dict[str, Any]:
    """One schedule as JSON, with the busy minute that it shares."""
    entry = detail.entry
    return row_json(detail.row) | {
        "fields": entry.fields,
        "base": entry.base,
        "overlay": {name: noted(asdict(note)) for name, note in entry.overlay.items()},
        "pause": noted(asdict(entry.pause)) if entry.pause else None,
        "skip": noted(asdict(entry.skip)) if entry.skip and detail.skipped else None,
        "revision": entry.revision,
        "notes": list(detail.notes),
        "waiting": [waiting_json(item) for item in detail.waiting],
        "upcoming": [iso(instant) for instant in detail.upcoming],
        "pile_up": pile_up._asdict() | {"minute": iso(pile_up.minute)} if pile_up else None,
        "runs": [run_json(run) for run in detail.runs],
    }
