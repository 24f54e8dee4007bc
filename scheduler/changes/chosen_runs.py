"""Which run of a schedule a person means who names only the schedule."""

from __future__ import annotations

from scheduler.errors import RefusedChange
from scheduler.model.run import UNDER_WAY
from scheduler.storage.ledger import Ledger

MAX_LOOKED_AT = 1000  #: rows of a ledger, the newest


def under_way(ledger: Ledger, name: str) -> list[str]:
    """Those that are queued or running; raises RefusedChange if there is none."""
    found = [run.id for run in ledger.runs(name, MAX_LOOKED_AT) if run.outcome in UNDER_WAY]
    if not found:
        raise RefusedChange(f"'{name}' has no run under way")
    return found


def newest_bad(ledger: Ledger, name: str) -> str:
    """The one that failed, was lost or was stopped last; raises RefusedChange if it is well since, or runs now."""
    newest = next((run for run in ledger.runs(name, MAX_LOOKED_AT) if run.outcome != "skipped"), None)
    if newest is None or newest.outcome not in ("failed", "lost", "stopped"):
        raise RefusedChange(f"the newest run of '{name}' {newest.outcome if newest else 'is still to come'}")
    return newest.id
