"""What beat and workers write, for pages that show it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from scheduler.admin.service import Service
from scheduler.model import Entry, Outcome, Run, run_id
from scheduler.sending.decide import Decision, Skip
from scheduler.sending.dispatch import Due
from scheduler.sending.headers import task_id
from scheduler.storage import entries
from scheduler.storage.instants import to_seconds
from tests.support.shop import commit as send_batch

TOKEN = "leader"  #: of the beat that leads while these write


def run(service: Service, name: str, due: datetime, outcome: Outcome = "succeeded", **details: Any) -> str:
    """A run of that due instant that took two seconds; 'running' is claimed just now and not closed. Returns its id."""
    identity = run_id(name, due)
    commit(service, service.store.get(name), runs=(due,))
    begun = Run(identity, name, to_seconds(due), "running", task="scheduler.tasks.log_it", task_id=task_id(identity))
    assert service.ledger.claim(begun, "worker@host:7", TOKEN) == "claimed"
    if outcome != "running":
        times = {"started": to_seconds(due), "finished": to_seconds(due + timedelta(seconds=2))}
        assert service.ledger.close(identity, outcome, token=TOKEN, **{**times, **details})
    return identity


def skip(service: Service, entry: Entry, *skips: Skip) -> None:
    """Due instants that beat decided to skip."""
    commit(service, entry, skips=skips)


def commit(service: Service, entry: Entry, **decided: Any) -> None:
    lead(service)
    decision = Decision(due=entry.due, **decided)
    assert send_batch(service.dispatcher, [Due(entry, entries.job(entry), decision, entry.due)], TOKEN) == []


def set_aside(service: Service, name: str, error: str) -> None:
    """An entry that beat cannot send."""
    lead(service)
    assert service.store.set_aside(name, str(service.store.get(name).revision), error, TOKEN)


def lead(service: Service) -> None:
    service.store.client.set(service.store.keys.lock, TOKEN)
