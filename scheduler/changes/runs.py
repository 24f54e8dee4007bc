"""What a person does to one run."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from scheduler import references
from scheduler.changes.common import Tasks
from scheduler.errors import RefusedChange
from scheduler.model import Entry, Schedule, read_run_id
from scheduler.sending.dispatch import Dispatcher
from scheduler.storage import entries
from scheduler.storage.audit import Audit, audit_line
from scheduler.storage.entries import FROM_FILE
from scheduler.storage.instants import clock
from scheduler.storage.ledger import Ledger
from scheduler.storage.store import Store
from scheduler.validate.meaning import json_findings, task_findings

MAX_ARGUMENT_CHARS = 16_384  #: of arguments that one run was given; its row keeps them
RETRYABLE = ("failed", "lost", "stopped", "skipped")  #: outcomes of runs that can be retried
#: Why a run is not retried, by the answer of rerun.lua.
NOT_RETRIED = {
    "queued": "it is queued already: `scheduler stop RUN` takes it out of its queue",
    "running": "it runs: wait for its end, or stop it",
    "succeeded": "it succeeded: `scheduler run NAME` runs its schedule once more",
    "stretch": "its row stands for several due instants, and none of them has a run of its own",
    "in the way": "another run of its schedule is queued or running: wait for it, or set overlap: allow",
    "no list": "its queue is not a list in Redis: give its schedule another queue",
}


@dataclass(frozen=True)
class Known:
    """What the application's tasks are; without ``tasks``, no task is checked."""

    tasks: Tasks
    file_only: Collection[str]  #: those whose arguments only the schedule file may set


def run(
    dispatcher: Dispatcher,
    store: Store,
    name: str,
    *,
    by: str,
    args: list[Any] | None = None,
    kwargs: dict[str, Any] | None = None,
    known: Known,
) -> str:
    """Run a schedule now, with these arguments in place of its own where they are given; returns the run's id.

    Raises NotFound, or RefusedChange where another run is in its way or its task does not take the arguments.
    """
    entry = store.get(name)
    arguments = "" if args is None and kwargs is None else checked(entry, args, kwargs, known)
    return dispatcher.run_now(entry, by, arguments)


def checked(entry: Entry, args: list[Any] | None, kwargs: dict[str, Any] | None, known: Known) -> str:
    """The arguments of one run as its row has them; raises RefusedChange if they are wrong."""
    job = entries.job(entry)
    if job.task in known.file_only:
        raise RefusedChange(f"'{entry.name}' acts on the machine by its arguments: only the schedule file may set them")
    given = {key: value for key, value in (("args", args), ("kwargs", kwargs)) if value is not None}
    if any(references.marked(given)):
        raise RefusedChange(f"a run cannot be given ${{…}}: {FROM_FILE}")
    whole: dict[str, Any] = {"args": list(job.args), "kwargs": job.kwargs} | given
    findings = [finding for key in given for finding in json_findings(given[key], (key,))]
    if known.tasks is not None:
        findings += task_findings(Schedule.model_construct(task=job.task, **whole), known.tasks)
    if findings:
        raise RefusedChange(" — ".join(filter(None, findings[0][1:3])))
    text = json.dumps([whole["args"], whole["kwargs"]])
    if len(text) > MAX_ARGUMENT_CHARS:
        raise RefusedChange(
            f"the arguments have more than {MAX_ARGUMENT_CHARS} characters: give a file or a key instead"
        )
    return text


def stop(ledger: Ledger, run_id: str, *, by: str, note: str = "", group: str = "") -> bool:
    """Stop a run; True if it has ended already, False if its worker was asked to end it.

    ``group`` is that of an act on many, for the audit log.
    Raises NotFound, or RefusedChange for a run that had ended before.
    """
    answer = ledger.stop(run_id, with_note(f"stopped by {by}", note))
    if answer not in ("done", "asked"):
        raise RefusedChange(f"{run_id} is not under way: it is {answer}")
    write_line(ledger, run_id, "stop", by, note, group)
    return answer == "done"


def retry(
    dispatcher: Dispatcher, store: Store, ledger: Ledger, run_id: str, *, by: str, note: str = "", group: str = ""
) -> None:
    """Run a run again that failed, was lost, stopped or skipped: one more attempt of it, with the same due instant.

    Raises NotFound, or RefusedChange for one that is under way, has succeeded, or has another run in its way.
    """
    run = ledger.get(run_id)
    again = dispatcher.again(store.of_run(run), run)
    answer = ledger.rerun(run_id, again, with_note(f"retried by {by}", note), by)
    if answer != "sent":
        raise RefusedChange(f"{run_id} is not retried: {NOT_RETRIED.get(answer, answer)}")
    write_line(ledger, run_id, "retry", by, note, group)


def with_note(text: str, note: str) -> str:
    return f"{text}: {note}" if note else text


def write_line(ledger: Ledger, run_id: str, what: str, by: str, note: str, group: str = "") -> None:
    """Add what was done to the audit log."""
    name, _ = read_run_id(run_id)
    more = {"group": group} if group else {}
    line = audit_line(by, clock(), what, None, None, with_note(run_id, note), schedule=name, **more)
    Audit(ledger.client, ledger.keys).add(line)
