"""A person retries a run that has ended: one more attempt of it, and what the ledger and health say meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from scheduler import changes
from scheduler.errors import Exit, NotFound, RefusedChange
from scheduler.model import Reason, Run
from scheduler.sending.headers import task_id
from scheduler.storage.audit import Audit
from scheduler.storage.client import Client
from scheduler.storage.health import failing
from scheduler.storage.keys import Keys
from tests.support.beats import runs_sent
from tests.support.shell import Shell
from tests.support.shop import Shop, claim, claim_and_close


def fail(shop: Shop, which: int = 0) -> Run:
    run = claim(shop, which)
    assert shop.ledger.close(run.id, "failed", token="token", reason=Reason.ERROR, result="no")
    return run


def failed(shop: Shop, client: Client, **fields: Any) -> str:
    """The id of a run that failed; its message has left the queue."""
    shop.add(**fields)
    shop.tick(0)
    identity = fail(shop).id
    client.delete("celery")
    return identity


def retry(shop: Shop, identity: str, note: str = "") -> None:
    changes.retry(shop.dispatcher, shop.store, shop.ledger, identity, by="ann", note=note)


def test_a_failed_run_gets_one_more_attempt_with_its_own_due_instant(shop: Shop, client: Client, keys: Keys) -> None:
    identity = failed(shop, client, retries=2)
    before = shop.ledger.get(identity)
    retry(shop, identity, "disk is back")
    run = shop.ledger.get(identity)
    assert (run.outcome, run.reason, run.detail, run.by) == ("queued", "retried", "retried by ann: disk is back", "ann")
    assert (run.due, run.task_id, run.manual) == (before.due, task_id(identity), False)
    assert (run.started, run.finished, run.result, run.worker) == (0, 0, "", "")
    assert [line["change"] for line in Audit(client, keys).lines()] == ["retry"]
    assert [one.name for one in failing(client, keys).worst] == ["job"], "not well before it has succeeded"
    assert runs_sent(client) == [identity]
    claim_and_close(shop)
    run = shop.ledger.get(identity)
    assert (run.outcome, run.attempt, run.detail) == ("succeeded", 2, "retried by ann: disk is back")
    assert run.duration is not None
    assert run.duration < 60
    assert failing(client, keys).total == 0
    assert len(shop.ledger.runs("job")) == 1


def test_one_that_fails_again_counts_as_one_failure(shop: Shop, client: Client, keys: Keys) -> None:
    identity = failed(shop, client)
    before = failing(client, keys).worst[0]
    retry(shop, identity)
    fail(shop)
    assert failing(client, keys).worst[0].count == before.count == 1
    assert shop.ledger.get(identity).attempt == 2


def test_a_skipped_and_a_stopped_run_can_be_retried(shop: Shop, client: Client) -> None:
    shop.add(overlap="skip")
    shop.tick(0)
    shop.tick(1)
    skipped = shop.ledger.runs("job")[0]
    assert (skipped.outcome, skipped.reason) == ("skipped", "overlap")
    claim_and_close(shop)
    client.delete("celery")
    retry(shop, skipped.id)
    assert changes.stop(shop.ledger, skipped.id, by="bob")
    retry(shop, skipped.id)
    client.rpop("celery")  # the message of the stopped attempt
    claim_and_close(shop)
    run = shop.ledger.get(skipped.id)
    assert (run.outcome, run.attempt, run.due) == ("succeeded", 1, skipped.due)


@pytest.mark.parametrize("overlap", ["skip", "queue", "allow"])
def test_what_is_under_way_or_in_the_way_is_not_doubled(shop: Shop, client: Client, overlap: str) -> None:
    identity = failed(shop, client, overlap=overlap)
    shop.tick(1)
    (other,) = runs_sent(client)
    refusals = [other]
    if overlap != "allow":
        refusals.append(identity)
    else:
        retry(shop, identity)
        with pytest.raises(RefusedChange, match="is queued already"):
            retry(shop, identity)
    for one in refusals:
        with pytest.raises(RefusedChange, match="is not retried: "):
            retry(shop, one)
    assert len(runs_sent(client)) == (2 if overlap == "allow" else 1)


def test_what_cannot_be_retried_is_refused_in_a_sentence(shop: Shop, client: Client) -> None:
    shop.add(overlap="skip")
    shop.tick(0)
    for minute in (1, 2):
        shop.tick(minute)
    stretch, first = shop.ledger.runs("job")
    assert stretch.count == 2
    claim_and_close(shop)
    for identity, sentence in (
        (stretch.id, "its row stands for several"),
        (first.id, "it succeeded: `.*scheduler run NAME`"),
    ):
        with pytest.raises(RefusedChange, match=sentence):
            retry(shop, identity)
    with pytest.raises(NotFound):
        retry(shop, "job@2020-01-01T00:00:00Z")


def test_the_command_takes_an_id_or_a_name(shop: Shop, client: Client, shell: Shell) -> None:
    identity = failed(shop, client)
    answer = shell.apart("retry", "job", "--json")
    assert (answer.code, answer.json["id"], answer.json["outcome"]) == (0, identity, "queued")
    answer = shell.apart("retry", identity)
    assert answer.code == Exit.PROBLEMS
    assert f"{identity} is not retried: it is queued already: `" in answer.err


def test_one_of_a_full_group_waits_for_its_place(shop: Shop, client: Client, keys: Keys) -> None:
    client.hset(keys.file, "groups", '{"warehouse": 1}')
    identity = failed(shop, client, group="warehouse")
    shop.tick(1)
    other = claim(shop)
    client.delete("celery")
    retry(shop, identity)
    run = shop.ledger.get(identity)
    assert (run.outcome, run.reason, run.by) == ("queued", "group full", "ann")
    assert runs_sent(client) == []
    assert shop.ledger.close(other.id, "succeeded", token="token")
    assert runs_sent(client) == [identity]
    claim_and_close(shop)
    assert shop.ledger.get(identity).outcome == "succeeded"
