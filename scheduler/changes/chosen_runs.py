"""Which run of a schedule a person means who names only the schedule."""

from __future__ import annotations

from scheduler.errors import RefusedChange
from scheduler.model.run import UNDER_WAY
from scheduler.storage.ledger import Ledger

MAX_LOOKED_AT = 1000  #: rows of a ledger, the newest
HOW = {
    "queued": "is queued",
    "running": "is running",
    "stopped": "was stopped",
    "unreadable": "is unreadable",
}


def under_way(ledger: Ledger, name: str) -> list[str]:
    """Those that are queued or running; raises RefusedChange if there is none."""
    open_ = [run.id for run in ledger.runs(name, MAX_LOOKED_AT) if run.outcome in UNDER_WAY]
    if not open_:
        raise RefusedChange(f"'{name}' has no run under way")
    return open_


def newest_bad(ledger: Ledger, name: str) -> str:
    """The one that failed or was lost last; raises RefusedChange if it is well since, was stopped, or runs now."""
    newest = next((run for run in ledger.runs(name, MAX_LOOKED_AT) if run.outcome != "skipped"), None)
    if newest is None or newest.outcome not in ("failed", "lost"):
        how = HOW.get(newest.outcome, newest.outcome) if newest else "is still to come"
        raise RefusedChange(f"the newest run of '{name}' {how}")
    return newest.id
