"""Run a stretch of past due instants: what that would do, begin it, stop it, resume it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice, takewhile

from scheduler.errors import RefusedChange
from scheduler.model import run_id
from scheduler.storage import entries
from scheduler.storage.audit import Audit, audit_line
from scheduler.storage.backfills import Backfill, Backfills, Only
from scheduler.storage.entries import DamagedEntry
from scheduler.storage.instants import clock, from_seconds, to_seconds
from scheduler.storage.ledger import Ledger, read_run
from scheduler.storage.renamed import former_names
from scheduler.storage.store import Store

MAX_INSTANTS = 100_000  #: due instants in the stretch of one backfill


@dataclass(frozen=True)
class Plan:
    """What a backfill would do with the due instants of its stretch."""

    backfill: Backfill
    runs: tuple[datetime, ...]  #: that would run
    left: int  #: that would not: they ran, are under way, or were not asked for
    unknown: int  #: of ``runs``: so old that the ledger forgot whether they ran


def plan(
    store: Store, ledger: Ledger, name: str, first: datetime, last: datetime, only: Only, max_running: int, by: str
) -> Plan:
    """Look at every due instant of ``[first, last]`` that is past; raises NotFound or RefusedChange."""
    entry, now = store.get(name), clock()
    try:
        timing = entries.job(entry).timing
    except DamagedEntry as error:
        raise RefusedChange(f"schedule '{name}' cannot be read: {error}") from error
    # What falls due from here on, beat decides.
    undecided = min(now, entry.due) if entry.due is not None else now
    dues = list(
        islice(
            takewhile(lambda due: due <= last and due < undecided, timing.each_after(first - first.resolution)),
            MAX_INSTANTS + 1,
        )
    )
    if not dues:
        raise RefusedChange(f"no due instant of '{name}' is between these times and past: see `scheduler next {name}`")
    if len(dues) > MAX_INSTANTS:
        end = dues[-2].isoformat(timespec="seconds")
        raise RefusedChange(f"more than {MAX_INSTANTS:,} due instants are between these times: end with --to {end}")
    wanted = Backfill(name, to_seconds(dues[0]), to_seconds(dues[-1]), only, max_running, by, to_seconds(now))
    before, _ = find(Backfills(store.client, store.keys), name)
    wanted = replace(wanted, cursor=to_seconds(dues[0] - dues[0].resolution), ran=before.covered() if before else "")
    return looked_at(ledger, wanted, dues)


def looked_at(ledger: Ledger, wanted: Backfill, dues: list[datetime]) -> Plan:
    """What would become of these due instants."""
    stored = ledger.client.hgetall(ledger.keys.ledger(wanted.name))
    rows = {id_: read_run(id_, text, wanted.name) for id_, text in stored.items() if not id_.startswith(":")}
    lost = [(row.due, row.until) for row in rows.values() if row.outcome == "lost" and row.until]
    skips = [(row.due, row.until) for row in rows.values() if row.outcome == "skipped"]
    floor = float(stored.get(":floor") or 0)
    names = [wanted.name, *former_names(rows, wanted.name)]
    runs, unknown = [], 0
    for due in dues:
        at, row = to_seconds(due), next(filter(None, (rows.get(run_id(name, due)) for name in names)), None)
        if wanted.wants(at, row, lost):
            runs.append(due)
            is_known = row is not None or any(first <= at <= last for first, last in skips)
            unknown += not is_known and at <= floor
    return Plan(replace(wanted, total=len(runs)), tuple(runs), len(dues) - len(runs), unknown)


def find(backfills: Backfills, name: str) -> tuple[Backfill | None, dict[str, int]]:
    """The stored backfill of a schedule, None without one, and the numbers of its ended runs."""
    return next(((backfill, counts) for backfill, counts in backfills.all() if backfill.name == name), (None, {}))


def begin(store: Store, planned: Plan) -> Backfill:
    """Begin a backfill; raises RefusedChange while the one before is running or has runs that have not ended."""
    wanted = planned.backfill

    def replaced(before: Backfill | None) -> Backfill:
        if before is not None and before.state == "running":
            shown = f"`scheduler backfill {wanted.name}` shows it, --stop ends it"
            raise RefusedChange(f"'{wanted.name}' has a running backfill: {shown}")
        return wanted

    began = Backfills(store.client, store.keys).change(wanted.name, replaced)
    log(store, began, "backfill", sentence(began))
    return began


def stop(store: Store, name: str, by: str, note: str = "") -> Backfill:
    """Send no more runs of a backfill; those under way go on. Raises NotFound or RefusedChange."""
    why = f"stopped by {by}" + (f": {note}" if note else "")
    return switch(store, name, "running", "stopped", by, why)


def resume(store: Store, name: str, by: str) -> Backfill:
    """Let a stopped backfill go on; raises NotFound or RefusedChange."""
    return switch(store, name, "stopped", "running", by, "")


def switch(store: Store, name: str, since: str, to: str, by: str, why: str) -> Backfill:
    backfills = Backfills(store.client, store.keys)
    backfills.get(name)

    def switched(before: Backfill | None) -> Backfill:
        if before is None or before.state != since:
            raise RefusedChange(f"the backfill of '{name}' is {before.state if before else 'gone'}, not {since}")
        return replace(before, state=to, why=why)

    after = backfills.change(name, switched)
    what = "stop backfill" if to == "stopped" else "resume backfill"
    log(store, replace(after, by=by), what, why)
    return after


def log(store: Store, backfill: Backfill, what: str, why: str) -> None:
    line = audit_line(backfill.by, clock(), what, None, None, why, schedule=backfill.name)
    Audit(store.client, store.keys).add(line)


def sentence(backfill: Backfill) -> str:
    """What is run, for the audit log."""
    first, last = (from_seconds(at).isoformat(timespec="seconds") for at in (backfill.first, backfill.last))
    return f"{backfill.total} due instants ({backfill.only}) from {first} to {last}, {backfill.max_running} at once"
