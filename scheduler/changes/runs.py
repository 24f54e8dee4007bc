"""What a person does to one run."""

from __future__ import annotations

from scheduler.changes.common import clock
from scheduler.errors import RefusedChange
from scheduler.model import read_run_id
from scheduler.storage.audit import Audit, audit_line
from scheduler.storage.ledger import Ledger


def stop(ledger: Ledger, run_id: str, *, by: str, note: str = "") -> bool:
    """Stop a run; True if it has ended already, False if its worker was asked to end it.

    Raises NotFound, or RefusedChange for a run that had ended before.
    """
    why = f"stopped by {by}" + (f": {note}" if note else "")
    answer = ledger.stop(run_id, why)
    if answer not in ("stopped", "asked"):
        raise RefusedChange(f"{run_id} is not under way: it is {answer}")
    name, _ = read_run_id(run_id)
    line = audit_line(by, clock(), "stop", None, None, f"{run_id}: {note}" if note else run_id, schedule=name)
    Audit(ledger.client, ledger.keys).add(line)
    return answer == "stopped"
