"""Attempts are rows of one run: when each started, how it ended, and where."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from scheduler import changes
from scheduler.model import Reason, Run
from scheduler.sending.dispatch import Dispatcher
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from tests.support.beats import runs_sent
from tests.support.shell import Shell
from tests.support.shop import Shop

MINUTE = 60.0


@pytest.fixture
def identity(shop: Shop) -> str:
    """A run in its queue."""
    shop.add()
    shop.tick(0)
    return runs_sent(shop.store.client)[0]


def claim(shop: Shop, identity: str, number: int) -> None:
    assert shop.ledger.claim(Run(identity, "job", 0.0, "running"), f"worker:{number}", f"token {number}") == "claimed"


def try_again(shop: Shop, identity: str, number: int, error: str) -> bool:
    """How a body ends that failed and is tried again."""
    until = time.time() + MINUTE
    end = {"when": until, "until": until, "reason": Reason.RETRYING, "result": f"tried again after: {error}"}
    return shop.ledger.close(identity, "queued", token=f"token {number}", error=error, **end)  # type: ignore[arg-type]


def outcomes(shop: Shop, identity: str) -> list[tuple[int, str, str]]:
    return [(it.number, it.outcome, it.error) for it in shop.ledger.get(identity).attempts]


def test_each_attempt_has_its_own_times_worker_and_end(shop: Shop, shell: Shell, identity: str) -> None:
    assert outcomes(shop, identity) == []
    claim(shop, identity, 1)
    assert outcomes(shop, identity) == [(1, "running", "")]
    assert try_again(shop, identity, 1, "Busy: no\nmore of it")
    waiting = shop.ledger.get(identity)
    assert (waiting.outcome, waiting.finished, outcomes(shop, identity)) == ("queued", 0, [(1, "failed", "Busy: no")])
    claim(shop, identity, 2)
    assert shop.ledger.hand_back(identity, "worker:2")
    claim(shop, identity, 3)
    assert shop.ledger.close(identity, "succeeded", token="token 3", result="3")
    run = shop.ledger.get(identity)
    assert outcomes(shop, identity) == [(1, "failed", "Busy: no"), (2, "interrupted", ""), (3, "succeeded", "")]
    assert [it.worker for it in run.attempts] == ["worker:1", "worker:2", "worker:3"]
    instants = [instant for it in run.attempts for instant in (it.started, it.ended)]
    assert instants == sorted(instants)
    assert (instants[0], instants[-1]) == (run.started, run.finished)
    shown = shell("history", identity)
    assert [line.split()[0] for line in shown.out.splitlines()] == ["ATTEMPT", "1", "2", "3"]
    assert " interrupted  worker:2" in shown.out
    assert [it["outcome"] for it in shell("history", identity, "--json").json["attempts"]] == [
        *("failed", "interrupted", "succeeded")
    ]


def row_of(shop: Shop, identity: str) -> dict[str, Any]:
    """The row of a run as it is stored."""
    row: dict[str, Any] = json.loads(shop.ledger.client.hget(shop.ledger.keys.ledger("job"), identity) or "")
    return row


def test_the_row_of_a_run_with_one_attempt_is_what_it_was(shop: Shop, identity: str) -> None:
    claim(shop, identity, 1)
    assert shop.ledger.close(identity, "failed", token="token 1", result="no")
    assert not {"earlier", "began", "error"} & row_of(shop, identity).keys()
    assert outcomes(shop, identity) == [(1, "failed", "no")]


def test_a_body_that_goes_on_after_its_run_was_handed_back_says_itself_how_it_ended(shop: Shop, identity: str) -> None:
    claim(shop, identity, 1)
    assert shop.ledger.hand_back(identity, "worker:1")
    assert outcomes(shop, identity) == [(1, "interrupted", "")]
    assert try_again(shop, identity, 1, "Busy: no")
    assert outcomes(shop, identity) == [(1, "failed", "Busy: no")]
    assert shop.ledger.close(identity, "succeeded", token="token 1")
    assert outcomes(shop, identity) == [(1, "succeeded", "")]
    assert "earlier" not in row_of(shop, identity)


def test_what_ends_a_run_between_two_attempts_is_the_end_of_neither(shop: Shop, identity: str) -> None:
    claim(shop, identity, 1)
    assert try_again(shop, identity, 1, "Busy: no")
    assert changes.stop(shop.ledger, identity, by="ann")
    assert shop.ledger.get(identity).outcome == "stopped"
    assert outcomes(shop, identity) == [(1, "failed", "Busy: no")]


def test_a_retry_by_hand_keeps_the_attempts_before_it(
    shop: Shop, dispatcher: Dispatcher, client: Client, identity: str
) -> None:
    claim(shop, identity, 1)
    assert try_again(shop, identity, 1, "Busy: no")
    claim(shop, identity, 2)
    assert shop.ledger.close(identity, "failed", token="token 2", reason=Reason.ERROR, result="é" * 300)
    client.delete("celery")
    changes.retry(dispatcher, shop.store, shop.ledger, identity, by="ann")
    assert outcomes(shop, identity) == [(1, "failed", "Busy: no"), (2, "failed", "é" * 99 + "…")]
    claim(shop, identity, 3)
    assert changes.stop(shop.ledger, identity, by="bob") is False
    assert shop.ledger.close(identity, "failed", token="token 3")
    assert outcomes(shop, identity)[2:] == [(3, "stopped", "stopped by bob")]


def test_only_the_newest_of_many_attempts_are_kept(shop: Shop, identity: str) -> None:
    for number in range(1, 31):
        claim(shop, identity, number)
        assert try_again(shop, identity, number, "no")
    assert [number for number, *_ in outcomes(shop, identity)] == list(range(11, 31))


def test_rows_of_an_older_release_and_damaged_ones_are_claimed_and_shown(
    shop: Shop, client: Client, keys: Keys, identity: str
) -> None:
    row = json.loads(client.hget(keys.ledger("job"), identity) or "")
    for earlier in (None, "", 3, {"a": 1}, ["text"]):
        given = {"attempt": "1", "started": "1.0"} | ({} if earlier is None else {"earlier": earlier})
        client.hset(keys.ledger("job"), identity, json.dumps(row | given))
        claim(shop, identity, 2)
        assert try_again(shop, identity, 2, "no")
        assert [(number, outcome) for number, outcome, _ in outcomes(shop, identity)] == [(2, "failed")], earlier
