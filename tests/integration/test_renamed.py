"""The runs of a schedule that is renamed go on under its new name."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from scheduler import changes
from scheduler.beat.scheduler import Scheduler
from scheduler.changes.bulk import Asked
from scheduler.changes.bulk_runs import BulkOfRuns
from scheduler.model import Run, read_run_id
from scheduler.sending.followers import Followers
from scheduler.sending.headers import task_id
from scheduler.storage.client import Client
from scheduler.storage.instants import from_seconds
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.storage.store import Store, Write
from tests.support.beats import arguments, lead, leading, runs_sent, sent
from tests.support.schedules import declared, entry_of
from tests.support.shop import TASK, Shop, claim


def rename(store: Store, name: str, new: str) -> None:
    """As loading a file with `renamed_from` does."""
    entry = store.get(name)
    store.write([Write(name, entry, None, moved_to=new), Write(new, None, replace(entry, name=new))])


def failed(shop: Shop, **fields: Any) -> str:
    """The id of a run that failed; nothing is in its queue."""
    shop.add(**fields)
    shop.tick(0)
    identity = claim(shop).id
    assert shop.ledger.close(identity, "failed", token="token")
    shop.store.client.delete("celery")
    return identity


def retry(shop: Shop, identity: str) -> None:
    changes.retry(shop.dispatcher, shop.store, shop.ledger, identity, by="ann")


@pytest.mark.parametrize("names", [["new"], ["new", "newer"]], ids=["once", "twice"])
def test_a_run_from_before_can_be_retried(shop: Shop, client: Client, names: list[str]) -> None:
    identity = failed(shop)
    for before, after in zip(["job", *names], names, strict=False):
        rename(shop.store, before, after)
    retry(shop, identity)
    assert runs_sent(client) == [identity]
    assert [run.outcome for run in shop.ledger.runs(names[-1])] == ["queued"]


def test_a_run_is_retried_with_what_its_own_schedule_runs_and_not_with_what_has_its_name_now(
    shop: Shop, client: Client
) -> None:
    identity = failed(shop, args=[1, 2])
    rename(shop.store, "job", "new")
    shop.add(args=[3, 4])
    retry(shop, identity)
    assert runs_sent(client) == [identity]
    assert arguments(sent(client)[0]) == ([1, 2], {})


def test_many_runs_from_before_can_be_retried_and_the_dry_run_says_so(shop: Shop, client: Client) -> None:
    identity = failed(shop, overlap="skip")
    rename(shop.store, "job", "new")
    bulk, asked = BulkOfRuns(shop.store, shop.ledger, shop.dispatcher), Asked("retry", "ann")
    assert bulk.forecast("retry", [identity]).done == [identity]
    assert bulk.carry_out(asked, [identity]).done == [identity]
    assert bulk.forecast("retry", [identity]).done == []


def sent_by(beat: Scheduler, store: Store, **fields: Any) -> str:
    """The run of a schedule that was due a second ago; its message is in no queue any more."""
    due = from_seconds(int(time.time()) - 1)
    wanted = declared(every="1h", overlap="allow", start=due.isoformat(), **fields)
    store.write([Write("job", None, entry_of(wanted, due=due))])
    lead(beat)
    [identity] = runs_sent(beat.client)
    beat.client.delete("celery")
    return identity


def test_a_run_whose_worker_dies_runs_again_if_the_schedule_says_so(
    beat: Scheduler, store: Store, ledger: Ledger, client: Client, keys: Keys
) -> None:
    identity = sent_by(beat, store, on_lost="rerun")
    ledger.claim(Run(identity, "job", read_run_id(identity)[1], "running"), "worker", "token")
    rename(store, "job", "new")
    client.zadd(keys.leases, {identity: time.time() - 60})
    leading(beat).lost_runs.patience = 0.0
    lead(beat)
    assert runs_sent(client) == [identity]
    assert ledger.get(identity).outcome == "queued"


def test_a_run_whose_message_is_lost_is_sent_again(
    beat: Scheduler, store: Store, ledger: Ledger, client: Client
) -> None:
    identity = sent_by(beat, store)
    rename(store, "job", "new")
    messages = leading(beat).lost_runs.messages
    messages.patience = messages.next_look = 0.0
    lead(beat)
    assert runs_sent(client) == [identity]
    assert ledger.get(identity).outcome == "queued"


def test_what_follows_a_run_starts_although_it_never_ran_under_its_old_name(shop: Shop) -> None:
    shop.add(then={"success": ["load"]}, overlap="skip")
    wanted = declared("load", task=TASK, every="1d", args=[1, 2], enabled=False)
    shop.store.write([Write("load", None, entry_of(wanted, now=shop.now))])
    shop.tick(0)
    parent = claim(shop).id
    rename(shop.store, "load", "load-dwh")
    assert shop.ledger.close(parent, "succeeded")
    Followers(shop.dispatcher, shop.store).send("ours", 0)
    assert [run.outcome for run in shop.ledger.runs("load-dwh")] == ["queued"]


def test_a_run_ends_although_its_schedule_was_renamed_twice_meanwhile(shop: Shop) -> None:
    shop.add()
    shop.tick(0)
    identity = claim(shop).id
    rename(shop.store, "job", "new")
    rename(shop.store, "new", "newer")
    assert shop.ledger.get(identity).outcome == "running"
    assert shop.ledger.close(identity, "succeeded", token="token")
    assert shop.ledger.claim(Run(identity, "job", 0.0, "running"), "worker", task_id(identity)) == "succeeded"
    assert [(run.id, run.outcome) for run in shop.ledger.runs("newer")] == [(identity, "succeeded")]
