"""What a person does to one run."""

from __future__ import annotations

from scheduler.changes.common import clock
from scheduler.errors import RefusedChange
from scheduler.model import read_run_id
from scheduler.sending.dispatch import Dispatcher
from scheduler.storage.audit import Audit, audit_line
from scheduler.storage.ledger import Ledger
from scheduler.storage.store import Store

RETRYABLE = ("failed", "lost", "stopped", "skipped")  #: outcomes of runs that can be retried
#: Why a run is not retried, by the answer of rerun.lua.
NOT_RETRIED = {
    "queued": "it is queued already: `scheduler stop` takes it out of its queue",
    "running": "it runs: wait for its end, or stop it",
    "succeeded": "it succeeded: `scheduler run` runs its schedule once more",
    "stretch": "its row stands for several due instants, and none of them has a run of its own",
    "in the way": "another run of its schedule is queued or running: wait for it, or set overlap: allow",
    "no list": "its queue is not a list in Redis: give its schedule another queue",
}


def stop(ledger: Ledger, run_id: str, *, by: str, note: str = "") -> bool:
    """Stop a run; True if it has ended already, False if its worker was asked to end it.

    Raises NotFound, or RefusedChange for a run that had ended before.
    """
    answer = ledger.stop(run_id, with_note(f"stopped by {by}", note))
    if answer not in ("stopped", "asked"):
        raise RefusedChange(f"{run_id} is not under way: it is {answer}")
    write_line(ledger, run_id, "stop", by, note)
    return answer == "stopped"


def retry(dispatcher: Dispatcher, store: Store, ledger: Ledger, run_id: str, *, by: str, note: str = "") -> None:
    """Run a run again that failed, was lost, stopped or skipped: one more attempt of it, with the same due instant.

    Raises NotFound, or RefusedChange for one that is under way, has succeeded, or has another run in its way.
    """
    run = ledger.get(run_id)
    again = dispatcher.again(store.get(run.schedule), run)
    answer = ledger.rerun(run_id, again, with_note(f"retried by {by}", note), by)
    if answer != "sent":
        raise RefusedChange(f"{run_id} is not retried: {NOT_RETRIED.get(answer, answer)}")
    write_line(ledger, run_id, "retry", by, note)


def with_note(text: str, note: str) -> str:
    return f"{text}: {note}" if note else text


def write_line(ledger: Ledger, run_id: str, what: str, by: str, note: str) -> None:
    """Add what was done to the audit log."""
    name, _ = read_run_id(run_id)
    line = audit_line(by, clock(), what, None, None, with_note(run_id, note), schedule=name)
    Audit(ledger.client, ledger.keys).add(line)
