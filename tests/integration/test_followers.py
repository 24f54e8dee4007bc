"""`then`: runs that start when another one has ended, each once."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

import pytest

from scheduler import changes
from scheduler.beat.scheduler import Scheduler
from scheduler.model import Outcome, Run
from scheduler.sending.followers import Followers
from scheduler.status.as_json import run_json
from scheduler.storage.client import Client
from scheduler.storage.instants import from_seconds
from scheduler.storage.keys import Keys
from scheduler.storage.store import Write
from tests.support.beats import messages, runs_sent
from tests.support.schedules import declared, entry_of
from tests.support.shop import TASK, Shop, claim

ALL = {"success": ["load"], "failure": ["tell"], "always": ["clean"]}
NAMES = ("clean", "load", "tell")


def shop_with(shop: Shop, then: Any = ALL, **fields: Any) -> None:
    """`job`, and what may follow it: these are only started by others."""
    shop.add(then=then, **{"overlap": "skip", **fields})
    for name in NAMES:
        wanted = declared(name, task=TASK, every="1d", args=[1, 2], enabled=False, **fields)
        shop.store.write([Write(name, None, entry_of(wanted, now=shop.now))])


def follow(shop: Shop) -> dict[str, list[Run]]:
    """What the leader starts; the runs of each schedule."""
    Followers(shop.dispatcher, shop.store).send("ours", 0)
    return {name: runs for name in NAMES if (runs := shop.ledger.runs(name))}


@pytest.mark.parametrize(
    ("outcome", "names"),
    [("succeeded", ["clean", "load"]), ("failed", ["clean", "tell"]), ("lost", ["clean", "tell"])],
)
def test_what_follows_a_run_starts_by_its_outcome_and_each_knows_the_other(
    shop: Shop, client: Client, outcome: Outcome, names: list[str]
) -> None:
    shop_with(shop)
    shop.tick(0)
    parent = claim(shop)
    assert not follow(shop)
    assert shop.ledger.close(parent.id, outcome)
    started = follow(shop)
    assert list(started) == names
    rows = [row for [row] in started.values()]
    assert {row.parent for row in rows} == {parent.id}
    assert {row.due for row in rows} == {shop.ledger.get(parent.id).due}
    assert set(run_json(shop.ledger.get(parent.id))["children"]) == {row.id for row in rows}
    assert set(runs_sent(client)[1:]) == {row.id for row in rows}


def test_the_log_says_which_run_it_follows(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    shop_with(shop, then={"success": ["load"]})
    shop.tick(0)
    parent = claim(shop)
    assert shop.ledger.close(parent.id, "succeeded")
    with caplog.at_level(logging.INFO, "scheduler"):
        [[follower]] = follow(shop).values()
    assert messages(caplog) == [f"Sent {follower.id} to its queue after {parent.id}"]


def test_what_follows_is_started_once_however_often_the_leader_looks_and_the_worker_closes(
    shop: Shop, client: Client, keys: Keys
) -> None:
    shop_with(shop)
    shop.tick(0)
    parent = claim(shop)
    assert shop.ledger.close(parent.id, "lost")
    [text, *others] = client.lrange(keys.followers, 0, -1)
    assert len(follow(shop)) == 2
    client.rpush(keys.followers, text, *others)  # as after the death of a leader that had committed them
    assert shop.ledger.close(parent.id, "succeeded", token="token")
    assert not shop.ledger.close(parent.id, "succeeded", token="token")
    started = follow(shop)
    assert {name: len(runs) for name, runs in started.items()} == {"clean": 1, "load": 1, "tell": 1}
    assert not client.exists(keys.followers)
    assert len(runs_sent(client)) == 4


def test_a_run_that_is_stopped_is_followed_only_if_it_had_begun(shop: Shop) -> None:
    shop_with(shop)
    shop.tick(0)
    assert changes.stop(shop.ledger, shop.ledger.runs("job")[0].id, by="ann")
    assert not follow(shop)
    shop.tick(1)
    parent = claim(shop, 1)
    changes.stop(shop.ledger, parent.id, by="ann")
    assert shop.ledger.close(parent.id, "failed")
    assert list(follow(shop)) == ["clean"]


@pytest.mark.parametrize("overlap", ["skip", "queue"])
def test_what_cannot_start_has_a_row_that_says_why(shop: Shop, client: Client, overlap: str) -> None:
    shop_with(shop, then={"always": ["clean", "load", "gone"]}, overlap=overlap)
    changes.pause(shop.store, "load", by="ann", note="holiday")
    for minute in (0, 1):
        shop.tick(minute)
        position = [run.partition("@")[0] for run in runs_sent(client)].index("job", minute)
        assert shop.ledger.close(claim(shop, position).id, "succeeded")
        started = follow(shop)
    paused = started["load"][0]
    assert (paused.outcome, paused.reason, paused.detail) == ("skipped", "not started", "paused by ann: holiday")
    second, first = started["clean"]
    assert (first.outcome, second.outcome) == ("queued", {"skip": "skipped", "queue": "queued"}[overlap])
    assert overlap == "queue" or second.detail == f"{first.id} had not finished"


def test_a_run_that_is_retried_is_followed_by_what_did_not_follow_it_yet(shop: Shop) -> None:
    shop_with(shop)
    shop.tick(0)
    parent = claim(shop)
    assert shop.ledger.close(parent.id, "failed")
    assert list(follow(shop)) == ["clean", "tell"]
    changes.retry(shop.dispatcher, shop.store, shop.ledger, parent.id, by="ann")
    assert shop.ledger.claim(parent, "worker", "token") == "claimed"
    assert shop.ledger.close(parent.id, "succeeded")
    assert {name: len(runs) for name, runs in follow(shop).items()} == {"clean": 1, "load": 1, "tell": 1}


def test_a_chain_goes_on_with_its_first_due_instant(shop: Shop) -> None:
    shop.add(then="load", overlap="skip")
    for name, then in (("load", {"always": ["clean"]}), ("clean", None)):
        more: dict[str, Any] = {"then": then} if then else {}
        wanted = declared(name, task=TASK, every="1d", args=[1, 2], enabled=False, **more)
        shop.store.write([Write(name, None, entry_of(wanted, now=shop.now))])
    shop.tick(0)
    for number in range(3):
        assert shop.ledger.close(claim(shop, number).id, "succeeded")
        follow(shop)
    [first], [second], [third] = (shop.ledger.runs(name) for name in ("job", "load", "clean"))
    assert first.due == second.due == third.due
    assert (second.parent, third.parent) == (first.id, second.id)


@pytest.mark.parametrize(
    ("then", "name"), [("load", "load"), ({"success": [{"task": TASK, "args": [3, 4]}]}, "job.log_it")]
)
def test_beat_starts_what_follows_at_once(
    beat: Scheduler, shop: Shop, client: Client, keys: Keys, then: Any, name: str
) -> None:
    beat.context.settings.file.write_text(
        json.dumps(
            {
                "schedules": {
                    "job": {"task": TASK, "args": [1, 2], "every": "1d", "then": then},
                    "load": {"task": TASK, "args": [1, 2], "every": "1d", "enabled": False},
                }
            }
        )
    )
    client.delete(keys.lock)  # the shop's
    beat.tick()
    identity = shop.dispatcher.run_now(shop.store.get("job"), "ann")
    assert shop.ledger.claim(Run(identity, "", 0.0, "running"), "worker", "token") == "claimed"
    assert shop.ledger.close(identity, "succeeded")
    beat.tick()
    [run] = shop.ledger.runs(name)
    assert (run.outcome, run.parent, shop.ledger.get(identity).children) == ("queued", identity, run.id)
    assert not client.exists(keys.followers)


def test_what_may_have_started_is_not_started_again_where_redis_came_back_with_older_data(
    shop: Shop, client: Client, keys: Keys
) -> None:
    shop_with(shop)
    shop.tick(0)
    assert shop.ledger.close(claim(shop).id, "succeeded")
    Followers(shop.dispatcher, shop.store).send("ours", 0, from_seconds(time.time() + 60))
    rows = [row for name in ("clean", "load") for row in shop.ledger.runs(name)]
    assert [(row.outcome, row.reason) for row in rows] == [("lost", "forgotten")] * 2
    assert len(runs_sent(client)) == 1
    assert not client.exists(keys.followers)


def test_one_that_another_program_dated_beyond_every_year_stops_no_beat(shop: Shop, client: Client, keys: Keys) -> None:
    shop_with(shop, then="load")
    shop.tick(0)
    assert shop.ledger.close(claim(shop).id, "succeeded")
    [noted] = client.lrange(keys.followers, 0, -1)
    client.lset(keys.followers, 0, json.dumps(json.loads(noted) | {"at": 1e300}))
    Followers(shop.dispatcher, shop.store).send("ours", 0, from_seconds(time.time()))
    assert [row.outcome for row in shop.ledger.runs("load")] == ["queued"]


def test_what_cannot_start_is_told_once_also_after_the_death_of_the_leader_that_told_it(
    shop: Shop, client: Client, keys: Keys
) -> None:
    shop_with(shop, then="load")
    changes.pause(shop.store, "load", by="ann", note="holiday")
    shop.tick(0)
    assert shop.ledger.close(claim(shop).id, "succeeded")
    texts = client.lrange(keys.followers, 0, -1)
    follow(shop)
    client.rpush(keys.followers, *texts)
    [row] = follow(shop)["load"]
    assert (row.reason, row.count) == ("not started", 1)


def test_each_run_that_overlap_keeps_from_starting_has_a_row_that_names_what_it_follows(shop: Shop) -> None:
    shop_with(shop, then="load", overlap="allow")
    [wanted] = list(shop.store.read(["load"]))
    changes.edit(shop.store, "load", {**wanted.fields, "overlap": "skip"}, tasks=None, by="ann")
    parents = []
    for minute in (0, 1, 2):
        shop.tick(minute)
        parents.append(claim(shop, minute).id)
    for parent in parents:
        assert shop.ledger.close(parent, "succeeded")
    rows = follow(shop)["load"]
    assert sorted((row.outcome, row.parent) for row in rows) == sorted(
        [("queued", parents[0]), ("skipped", parents[1]), ("skipped", parents[2])]
    )


def test_a_schedule_that_was_renamed_meanwhile_follows_all_the_same(shop: Shop, client: Client, keys: Keys) -> None:
    shop_with(shop, then="load")
    shop.tick(0)
    assert shop.ledger.close(claim(shop).id, "succeeded")
    wanted = declared("load-dwh", task=TASK, every="1d", args=[1, 2], enabled=False)
    shop.store.write([Write("load-dwh", None, entry_of(wanted, now=shop.now))])
    client.delete(keys.entry("load"))
    client.set(keys.moved("load"), "load-dwh")
    follow(shop)
    assert [run.outcome for run in shop.ledger.runs("load-dwh")] == ["queued"]


def test_one_that_can_have_no_row_is_a_problem_and_holds_up_no_other(
    shop: Shop, client: Client, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    shop_with(shop, then={"always": ["gone", "load", "tell"]})
    client.set(keys.ledger("tell"), "of another program")
    shop.tick(0)
    parent = claim(shop).id
    assert shop.ledger.close(parent, "succeeded")
    client.lpush(keys.followers, "not JSON")
    caplog.set_level("DEBUG", logger="scheduler")
    Followers(shop.dispatcher, shop.store).send("ours", 0)
    assert [run.outcome for run in shop.ledger.runs("load")] == ["queued"]
    assert not client.exists(keys.followers)
    problem = shop.store.notices()["followers"]
    assert problem.startswith("Beat could not start 3 runs that should have followed another, the last at ")
    assert ": tell@then-" in problem
    assert f" after {parent}: " in problem
    assert [name for name in ("gone", "load", "tell") if f"Sent {name}@" in caplog.text] == ["load"]


def test_the_log_says_what_became_of_each(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    shop_with(shop, then=["clean", "load"])
    changes.pause(shop.store, "load", by="ann", note="holiday")
    shop.dispatcher.run_now(shop.store.get("clean"), "ann")
    shop.tick(0)
    assert shop.ledger.close(claim(shop, 1).id, "succeeded")
    caplog.set_level("DEBUG", logger="scheduler")
    follow(shop)
    assert "Skipped 1 × load: paused by ann: holiday" in caplog.text
    assert "Skipped 1 × clean: the previous run had not finished" in caplog.text
    assert "Sent " not in caplog.text
