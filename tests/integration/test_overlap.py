"""Whether a run is sent, held back or skipped while the one before still goes on."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from scheduler.storage.client import Client
from scheduler.storage.instants import from_seconds
from scheduler.storage.keys import Keys
from scheduler.storage.store import Write
from tests.support.beats import arguments, runs_sent, sent
from tests.support.schedules import MINUTE
from tests.support.shop import Shop, claim, claim_and_close, commit_at


def test_overlap_skip_sends_nothing_while_a_run_is_queued_or_running(shop: Shop) -> None:
    shop.add(overlap="skip")
    assert shop.tick(0) == ["queued"]
    assert shop.tick(1) == ["queued", "skipped"]
    claim(shop)
    assert shop.tick(2) == ["running", "skipped"]
    row, in_the_way = shop.ledger.runs("job")
    assert (row.reason, row.detail, row.count) == ("overlap", f"{in_the_way.id} had not finished", 2)


def test_overlap_skip_sends_again_once_the_run_has_ended(shop: Shop, client: Client) -> None:
    shop.add(overlap="skip")
    shop.tick(0)
    claim_and_close(shop)
    assert shop.tick(1) == ["succeeded", "queued"]
    assert len(sent(client)) == 2


def test_a_run_that_no_worker_took_in_time_makes_room_and_is_recorded_as_expired(shop: Shop, client: Client) -> None:
    shop.add(overlap="skip", expires="1s")
    shop.tick(0)
    later = time.time() + 2 * 3600
    batch = shop.due(at=from_seconds(later))
    commit_at(shop.dispatcher, batch, later)
    first, *_, last = reversed(shop.ledger.runs("job"))
    assert (first.outcome, first.reason, first.detail) == ("skipped", "expired", "no worker started it in time")
    assert last.outcome == "queued"


def test_a_next_attempt_that_no_worker_took_in_time_makes_room_and_is_recorded_as_failed(shop: Shop) -> None:
    shop.add(overlap="skip", retries=1)
    shop.tick(0)
    assert shop.ledger.close(claim(shop).id, "queued", when=time.time(), until=time.time() + 60)
    later = time.time() + 2 * 3600
    commit_at(shop.dispatcher, shop.due(at=from_seconds(later)), later)
    first, *_, last = reversed(shop.ledger.runs("job"))
    assert (first.outcome, first.reason, last.outcome) == ("failed", "no next attempt", "queued")


@pytest.mark.parametrize(("expires", "expired", "overlapped"), [(None, 99, 0), ("90s", 49, 50)])
def test_with_workers_down_at_most_one_run_of_a_schedule_waits(
    expires: str | None, expired: int, overlapped: int, shop: Shop, client: Client
) -> None:
    shop.add(overlap="skip", expires=expires)
    for minute in range(100):
        at = shop.now + minute * MINUTE
        commit_at(shop.dispatcher, shop.due(at=at), at.timestamp())
    assert len(sent(client)) == 1
    skipped = [run for run in shop.ledger.runs("job", 200) if run.outcome == "skipped"]
    assert sum(run.count for run in skipped if run.reason == "expired") == expired
    assert sum(run.count for run in skipped if run.reason == "overlap") == overlapped


def test_an_instant_that_was_skipped_for_overlap_does_not_count_as_one_of_max_runs(shop: Shop) -> None:
    shop.add(overlap="skip", max_runs=2)
    shop.tick(0)
    assert shop.tick(1) == ["queued", "skipped"]
    claim_and_close(shop)
    assert shop.tick(2) == ["succeeded", "skipped", "queued"]
    entry = shop.store.get("job")
    assert (entry.due, entry.total_run_count) == (None, 2)


def test_overlap_allow_sends_every_run(shop: Shop, client: Client) -> None:
    shop.add(overlap="allow")
    shop.tick(0)
    claim(shop)
    assert shop.tick(1) == ["running", "queued"]
    assert len(sent(client)) == 2


def test_overlap_queue_holds_one_run_back_and_skips_the_rest(shop: Shop, client: Client) -> None:
    shop.add(overlap="queue")
    shop.tick(0)
    shop.tick(1)
    assert shop.tick(2) == ["queued", "queued", "skipped"]
    assert len(sent(client)) == 1


def test_the_run_that_was_held_back_is_pushed_when_the_one_before_ends(shop: Shop, client: Client) -> None:
    shop.add(overlap="queue")
    shop.tick(0)
    shop.tick(1)
    claim_and_close(shop)
    assert len(runs_sent(client)) == 2
    claim_and_close(shop, 1)
    assert shop.outcomes() == ["succeeded", "succeeded"]
    assert len(runs_sent(client)) == 2


def test_a_run_that_was_held_back_is_closed_when_its_schedule_is_removed(shop: Shop, client: Client) -> None:
    shop.add(overlap="queue")
    shop.tick(0)
    shop.tick(1)
    shop.store.write([Write("job", shop.store.get("job"), None)])
    held, sent_run = shop.ledger.runs("job")
    assert (held.outcome, held.reason) == ("skipped", "removed")
    assert held.detail == "the schedule was removed while this run waited"
    assert abs(held.finished - time.time()) < 60
    assert sent_run.outcome == "queued"
    claim_and_close(shop)
    assert len(runs_sent(client)) == 1


def test_a_run_that_was_held_back_moves_along_with_its_schedule(shop: Shop, client: Client) -> None:
    shop.add(overlap="queue")
    shop.tick(0)
    shop.tick(1)
    entry = shop.store.get("job")
    moved = [Write("job", entry, None, moved_to="new"), Write("new", None, replace(entry, name="new"))]
    shop.store.write(moved)
    claim_and_close(shop)
    assert len(runs_sent(client)) == 2
    assert shop.outcomes("new") == ["succeeded", "queued"]


def test_a_run_that_was_held_back_is_pushed_as_it_was_built(shop: Shop, client: Client) -> None:
    shop.add(overlap="queue", args=[], kwargs={"message": 'ü/\\"\n\u2028'}, task="scheduler.tasks.fail")
    shop.tick(0)
    shop.tick(1)
    claim_and_close(shop)
    first, second = sent(client)
    assert arguments(second) == arguments(first) == ([], {"message": 'ü/\\"\n\u2028'})
    assert second["headers"].keys() == first["headers"].keys()


def test_the_next_run_waits_behind_the_one_that_was_held_back(shop: Shop, client: Client) -> None:
    shop.add(overlap="queue", expires="1m")
    shop.tick(0)
    shop.tick(1)
    held = shop.ledger.runs("job")[0].id
    later = time.time() + 2 * 3600
    commit_at(shop.dispatcher, shop.due(at=from_seconds(later)), later)
    assert runs_sent(client) == [held]
    assert shop.outcomes()[0] == "skipped"
    assert "queued" in shop.outcomes()[1:]


def test_a_failed_and_a_lost_run_make_room_as_well(shop: Shop) -> None:
    shop.add(overlap="skip")
    shop.tick(0)
    shop.ledger.close(claim(shop).id, "failed")
    shop.tick(1)
    shop.ledger.close(claim(shop, 1).id, "lost")
    assert shop.tick(2) == ["failed", "lost", "queued"]


def test_a_run_that_is_tried_again_still_counts_as_going_on(shop: Shop) -> None:
    shop.add(overlap="skip")
    shop.tick(0)
    shop.ledger.close(claim(shop).id, "queued", until=time.time() + 3600)
    assert shop.tick(1) == ["queued", "skipped"]


def test_the_end_of_a_run_whose_record_was_trimmed_makes_room_too(shop: Shop, client: Client, keys: Keys) -> None:
    shop.add(overlap="skip")
    shop.tick(0)
    run = claim(shop)
    client.hdel(keys.ledger("job"), run.id)
    assert not shop.ledger.close(run.id, "succeeded")
    assert shop.tick(1)[-1] == "queued"
