"""Groups: at most so many runs of their schedules at once, first come first served."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest

from scheduler.model import Outcome, Run
from scheduler.settings import Settings
from scheduler.status.problems import unstarted
from scheduler.status.problems.facts import Facts
from scheduler.status.read_model import Status
from scheduler.status.unstarted import LATE_S, UNTAKEN_S
from scheduler.storage import groups
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.store import Write
from tests.support.beats import runs_sent
from tests.support.schedules import MINUTE
from tests.support.shop import Shop


@pytest.fixture
def warehouse(shop: Shop) -> Callable[[int], None]:
    """Sets how many places the group 'warehouse' has."""
    return lambda places: shop.store.note_file({"groups": json.dumps({"warehouse": places})})


@pytest.fixture
def open_runs(client: Client) -> Callable[[], list[str]]:
    """The schedules of the runs that were sent and have not ended, in the order of their messages."""
    return lambda: [run.partition("@")[0] for run in runs_sent(client)]


def take(shop: Shop, which: int = 0) -> str:
    """The worker claims a run that was sent."""
    identity = runs_sent(shop.store.client)[which]
    assert shop.ledger.claim(Run(identity, "", 0.0, "running"), "worker", "token") == "claimed"
    return identity


def end(shop: Shop, which: int = 0, outcome: Outcome = "succeeded") -> None:
    assert shop.ledger.close(take(shop, which), outcome)


def test_runs_of_a_group_go_one_after_the_other_in_the_order_in_which_they_fell_due(
    shop: Shop, warehouse: Callable[[int], None], open_runs: Callable[[], list[str]]
) -> None:
    warehouse(1)
    for name in ("third", "first", "second"):
        shop.add(name, group="warehouse", overlap="skip")
    for name in ("first", "second", "third"):
        shop.commit(name)
    assert open_runs() == ["first"]
    waiting = shop.ledger.runs("second")[0]
    assert waiting.outcome == "queued"
    assert waiting.detail == "it had to wait for a place in group 'warehouse'"
    end(shop)
    assert open_runs() == ["first", "second"]
    end(shop, 1, "failed")
    assert open_runs() == ["first", "second", "third"]


@pytest.mark.parametrize("overlap", ["skip", "queue", "allow"])
def test_a_run_that_waits_for_its_group_is_named_by_the_one_that_is_skipped_for_it(
    shop: Shop, warehouse: Callable[[int], None], open_runs: Callable[[], list[str]], overlap: str
) -> None:
    warehouse(1)
    shop.add("other", group="warehouse")
    shop.commit("other")
    shop.add(group="warehouse", overlap=overlap)
    shop.tick(0)
    waits = shop.ledger.runs("job")[0].id
    expected = ["queued", "queued", "skipped"] if overlap == "queue" else ["queued", "skipped", "skipped"]
    shop.tick(1)
    assert shop.tick(2) == expected or shop.outcomes() == ["queued", "skipped"]  # a stretch of skips is one row
    assert f"{waits}" in shop.ledger.runs("job")[0].detail
    end(shop)
    assert open_runs() == ["other", "job"]


def test_with_max_queued_more_runs_of_a_schedule_wait_and_all_of_them_run(
    shop: Shop, warehouse: Callable[[int], None], client: Client
) -> None:
    warehouse(2)
    shop.add(group="warehouse", overlap="queue", max_queued=3)
    for minute in range(5):
        shop.tick(minute)
    assert shop.outcomes() == ["queued"] * 4 + ["skipped"]
    skipped = shop.ledger.runs("job")[0]
    assert skipped.detail.endswith(" and 3 more had not finished")
    for number in range(4):
        assert len(runs_sent(client)) == number + 1
        end(shop, number)
    assert shop.outcomes() == ["succeeded"] * 4 + ["skipped"]


def test_however_a_run_ends_its_place_is_free(
    shop: Shop, warehouse: Callable[[int], None], open_runs: Callable[[], list[str]], client: Client, keys: Keys
) -> None:
    warehouse(1)
    names = ("stopped", "waits", "lost", "removed", "last")
    for name in names:
        shop.add(name, group="warehouse", overlap="skip")
        shop.commit(name)
    assert shop.ledger.stop(shop.ledger.runs("waits")[0].id, "by ann") == "done"
    assert shop.ledger.stop(shop.ledger.runs("stopped")[0].id, "by ann") == "done"
    assert open_runs() == ["stopped", "lost"]
    shop.store.write([Write("removed", shop.store.get("removed"), None)])
    end(shop, 1, "lost")
    assert open_runs() == ["stopped", "lost", "last"]
    end(shop, 2)
    assert not client.exists(keys.group("warehouse"), keys.group_queue("warehouse"))


def test_a_group_that_gets_more_places_or_lost_the_end_of_a_run_is_put_right_by_the_leader(
    shop: Shop, warehouse: Callable[[int], None], open_runs: Callable[[], list[str]], client: Client, keys: Keys
) -> None:
    warehouse(1)
    for name in ("a", "b", "c"):
        shop.add(name, group="warehouse", overlap="skip")
        shop.commit(name)
    warehouse(2)
    assert groups.look_after(client, keys, "ours")
    assert open_runs() == ["a", "b"]
    client.hdel(keys.ledger("a"), runs_sent(client)[0])  # as an older release ends it, which knows no groups
    assert not groups.look_after(client, keys, "another's")
    assert groups.look_after(client, keys, "ours")
    assert open_runs() == ["a", "b", "c"]


def test_status_says_who_has_the_places_and_who_waits_too_long(
    shop: Shop, warehouse: Callable[[int], None], settings: Settings, client: Client, keys: Keys
) -> None:
    warehouse(1)
    for name in ("has-it", "waits"):
        shop.add(name, group="warehouse", overlap="skip")
        shop.commit(name)
    [group] = Status(shop.store, shop.ledger).overview(()).groups
    [waits] = group.waiting
    assert (group.name, group.places, [waits]) == ("warehouse", 1, [shop.ledger.runs("waits")[0].id])
    assert Status(shop.store, shop.ledger).rows(["waits"])[0].explanation.endswith("group 'warehouse'")
    client.zincrby(keys.group_queue("warehouse"), -LATE_S - UNTAKEN_S, waits)
    client.zadd(keys.sent("celery"), {shop.ledger.runs("has-it")[0].id: shop.now.timestamp()})
    facts = Facts(shop.store, settings)
    late = next(it for it in facts.unstarted.schedules if it.name == "waits")
    assert unstarted.why(late) == "its run waits for a place in group 'warehouse' for more than 5m"


def test_among_many_schedules_never_more_run_than_there_are_places_and_none_is_left_out(
    shop: Shop, warehouse: Callable[[int], None], client: Client, keys: Keys
) -> None:
    chance = random.Random(7)
    warehouse(3)
    for number in range(40):
        shop.add(f"job-{number}", group="warehouse", overlap="queue", max_queued=5)
    for minute in range(5):
        for start in range(0, 40, 10):
            shop.commit(*(f"job-{number}" for number in range(start, start + 10)), at=shop.now + minute * MINUTE)
    running: set[str] = set()
    ended: set[str] = set()
    while len(ended) < 200:
        under_way = [run for run in runs_sent(client) if run not in ended]
        assert len(under_way) == min(3, 200 - len(ended))
        for run in set(under_way) - running:
            assert shop.ledger.claim(Run(run, "", 0.0, "running"), "worker", "token") == "claimed"
        running = set(under_way)
        over = chance.choice(sorted(running))
        assert shop.ledger.close(over, chance.choice(["succeeded", "failed", "lost"]))
        ended.add(over)
    assert not client.exists(keys.group("warehouse"), keys.group_queue("warehouse"))
