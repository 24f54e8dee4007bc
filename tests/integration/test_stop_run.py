"""A person stops a run: what the ledger says, and what becomes of the runs behind it."""

from __future__ import annotations

import time

import pytest

from scheduler import changes
from scheduler.errors import Exit, NotFound, RefusedChange
from scheduler.model import Reason
from scheduler.storage.client import Client
from scheduler.storage.health import failing
from scheduler.storage.keys import Keys
from tests.support.beats import runs_sent
from tests.support.shell import Shell
from tests.support.shop import Shop, claim, claim_and_close

WHY = "stopped by ann: wrong month"


def stop(shop: Shop, identity: str) -> bool:
    return changes.stop(shop.ledger, identity, by="ann", note="wrong month")


def test_a_queued_run_ends_at_once_and_the_next_one_may_go(shop: Shop, client: Client, keys: Keys) -> None:
    shop.add(overlap="skip", expires="1h")
    shop.tick(0)
    (identity,) = runs_sent(client)
    assert stop(shop, identity)
    run = shop.ledger.get(identity)
    assert (run.outcome, run.reason, run.detail, run.attempt) == ("stopped", "stopped", WHY, 0)
    assert run.finished
    assert client.zscore(keys.leases, identity) is None, "it no longer expires"
    assert shop.ledger.claim(run, "worker", "token") == "stopped", "its message runs nothing"
    assert shop.tick(1) == ["stopped", "queued"]


def test_a_run_that_waits_for_another_is_not_sent_when_that_one_ends(shop: Shop, client: Client) -> None:
    shop.add(overlap="queue")
    shop.tick(0)
    shop.tick(1)
    waiting, _ = shop.ledger.runs("job")
    assert stop(shop, waiting.id)
    claim_and_close(shop)
    assert shop.outcomes() == ["succeeded", "stopped"]
    assert len(runs_sent(client)) == 1


def test_a_run_that_waits_goes_when_the_one_before_is_stopped(shop: Shop, client: Client) -> None:
    shop.add(overlap="queue")
    shop.tick(0)
    shop.tick(1)
    first = claim(shop)
    assert not stop(shop, first.id)
    assert shop.ledger.stops([first.id]) == {first.id: WHY}
    assert shop.ledger.close(first.id, "failed", token="token", reason=Reason.ERROR, result="SoftTimeLimitExceeded")
    assert shop.outcomes() == ["stopped", "queued"]
    assert len(runs_sent(client)) == 2


@pytest.mark.parametrize("outcome", ["failed", "lost", "queued"])
def test_however_its_body_ends_it_is_stopped_and_its_schedule_is_as_well_as_before(
    shop: Shop, client: Client, keys: Keys, outcome: str
) -> None:
    shop.add()
    shop.tick(0)
    run = claim(shop)
    stop(shop, run.id)
    soon = time.time() + 60
    shop.ledger.close(run.id, outcome, token="token", when=soon, until=soon, result="cut", traceback="half done")  # type: ignore[arg-type]
    ended = shop.ledger.get(run.id)
    assert (ended.outcome, ended.detail, ended.result, ended.traceback) == ("stopped", WHY, "", "half done")
    assert abs(ended.finished - time.time()) < 60
    assert not client.exists(keys.stops), "nothing is left to stop"
    assert failing(client, keys, 10)[0] == 0


def test_a_body_that_succeeds_all_the_same_has_succeeded(shop: Shop) -> None:
    shop.add()
    shop.tick(0)
    stop(shop, claim(shop).id)
    shop.ledger.close(shop.ledger.runs("job")[0].id, "succeeded", token="token", result="3")
    assert shop.outcomes() == ["succeeded"]


def test_what_has_ended_or_never_was_is_refused(shop: Shop) -> None:
    shop.add()
    shop.tick(0)
    claim_and_close(shop)
    (ended,) = shop.ledger.runs("job")
    with pytest.raises(RefusedChange, match=r"is not under way: it is succeeded$"):
        stop(shop, ended.id)
    with pytest.raises(NotFound, match="no run is called 'job@never'"):
        stop(shop, "job@never")
    shop.tick(1)
    queued = shop.ledger.runs("job")[0].id
    assert stop(shop, queued)
    with pytest.raises(RefusedChange, match=r"is not under way: it is stopped$"):
        stop(shop, queued)
    assert [line["change"] for line in shop.store.audit.lines(5)].count("stop") == 1


def test_the_command_takes_a_run_or_a_schedule_with_one_run_under_way(shell: Shell, shop: Shop, client: Client) -> None:
    shop.add()
    assert shell("stop", "job").code == Exit.USAGE
    shop.tick(0)
    said = shell("stop", "job", "--note", "wrong month")
    (run,) = shop.ledger.runs("job")
    assert said.out == f"stopped {run.id}, which no worker had started\n"
    assert run.detail.endswith(": wrong month")
    line = shell("audit", "--json").json["changes"][0]
    assert (line["change"], line["schedule"]) == ("stop", "job")
    shop.tick(1)
    second = claim(shop, 1)
    assert f"asked worker to stop {second.id}; `" in shell("stop", second.id).out
    assert shell("stop", second.id, "--json").json["outcome"] == "running"
