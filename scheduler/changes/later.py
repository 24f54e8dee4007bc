"""A manual run that waits for its time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from scheduler.changes.runs import Known, checked
from scheduler.errors import RefusedChange
from scheduler.sending.dispatch import Dispatcher
from scheduler.sending.later import MAX_WAITING, Later
from scheduler.storage.audit import Audit, audit_line
from scheduler.storage.instants import clock
from scheduler.storage.ledger import Ledger
from scheduler.storage.store import Store

LONGEST = timedelta(days=366)  #: for which a run may wait


def run_at(
    dispatcher: Dispatcher,
    store: Store,
    ledger: Ledger,
    name: str,
    at: datetime,
    *,
    by: str,
    args: list[Any] | None = None,
    kwargs: dict[str, Any] | None = None,
    known: Known,
) -> str:
    """Let beat run a schedule at this instant, aware UTC, with these arguments if they are given; the run's id.

    Raises NotFound, or RefusedChange for an instant that is over or too far ahead, or a run that could not be sent.
    """
    entry, now = store.get(name), clock()
    if at <= now:
        raise RefusedChange(f"{at:%Y-%m-%d %H:%M:%S} UTC is over: give a later time, or leave it out to run it now")
    if at - now > LONGEST:
        raise RefusedChange(f"{at:%Y-%m-%d} is more than a year ahead: write a schedule with `at`")
    arguments = "" if args is None and kwargs is None else checked(entry, args, kwargs, known)
    identity, answer = Later(dispatcher, store, ledger).keep(entry, at, by, arguments)
    if answer == "taken":
        raise RefusedChange(f"{identity} exists already: give another second")
    if answer == "full":
        raise RefusedChange(f"{MAX_WAITING} runs wait for their time already: stop some")
    what = f"{identity} with {arguments}" if arguments else identity
    line = audit_line(by, now, "run", None, None, what, schedule=name)
    Audit(store.client, store.keys).add(line)
    return identity
