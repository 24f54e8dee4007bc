"""Keys that another program wrote in the places of ours: beat sets them aside, says so, and sends."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import ResponseError

from scheduler.beat.scheduler import Scheduler
from scheduler.settings import Settings
from scheduler.storage import health
from scheduler.storage.client import Client
from scheduler.worker.recorder import Recorder
from tests.support.beats import runs_sent
from tests.support.other_kinds import KEYS, OUR_KINDS, replace
from tests.support.polling import until
from tests.support.shop import Shop

FILE = "schedules: {job: {task: scheduler.tasks.log_it, every: 500ms, args: [1, 2], overlap: allow}}\n"


def sends(beat: Scheduler, count: int = 1) -> None:
    """Wait until so many more runs were sent; the lock may have to run out before."""
    wanted = len(runs_sent(beat.client)) + count

    def ticks() -> bool:
        beat.tick()
        return len(runs_sent(beat.client)) >= wanted

    until(ticks, 60, f"{wanted} runs in the queue")


@pytest.mark.parametrize("when", ["before beat starts", "while beat leads"])
def test_keys_of_another_kind_stop_nothing(beat: Scheduler, client: Client, settings: Settings, when: str) -> None:
    settings.file.write_text(FILE)
    beat.max_interval = 0.1
    if when == "while beat leads":
        sends(beat)
    for key in OUR_KINDS:
        replace(client, key)
    sends(beat, 2)


def test_what_was_set_aside_is_kept_and_named(beat: Scheduler, client: Client, settings: Settings) -> None:
    settings.file.write_text(FILE)
    replace(client, KEYS.leases)
    sends(beat)
    [aside] = client.scan_iter("redbeat::aside:*:leases")
    assert client.lrange(aside, 0, -1) == ["another program's"]
    assert 0 < client.ttl(aside) <= 30 * 86_400
    [notice] = beat.context.store.notices().values()
    assert notice == f"Another program wrote a list to {KEYS.leases}; it is kept for a while as {aside}"


@pytest.mark.parametrize("when", ["before beat starts", "while beat leads"])
def test_an_index_that_another_program_replaced_is_whole_again_when_beat_notices_it(
    beat: Scheduler, client: Client, settings: Settings, when: str
) -> None:
    settings.file.write_text(FILE)
    beat.max_interval = 0.1
    sends(beat, 2)
    until(lambda: health.is_fresh(client, KEYS), 60, "beat has rebuilt the indexes once")
    before = set(client.zrange(KEYS.runs, 0, -1))
    assert len(before) >= 2
    replace(client, KEYS.runs)
    if when == "before beat starts":
        beat.demote()
        client.delete(KEYS.lock)
    else:
        replace(client, KEYS.schedule)  # which beat notices in its next tick

    def is_whole() -> bool:
        beat.tick()
        return client.type(KEYS.runs) == "zset" and before <= set(client.zrange(KEYS.runs, 0, -1))

    until(is_whole, 30, "the index has the runs from before")


@pytest.mark.parametrize("key", sorted(OUR_KINDS.keys() - {KEYS.leases}))
def test_a_run_is_taken_and_ends_whatever_key_another_program_replaced(shop: Shop, client: Client, key: str) -> None:
    shop.add()
    shop.commit()
    [run] = shop.ledger.runs("job")
    replace(client, key)
    assert shop.ledger.claim(run, "w@host:1", "token") == "claimed"
    replace(client, key)
    assert shop.ledger.close(run.id, "succeeded", token="token")
    assert [(it.outcome, it.attempt) for it in shop.ledger.runs("job")] == [("succeeded", 1)]


def test_a_run_whose_lease_cannot_be_written_waits(shop: Shop, client: Client) -> None:
    shop.add()
    shop.commit()
    before = shop.ledger.runs("job")
    replace(client, KEYS.leases)
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        shop.ledger.claim(before[0], "w@host:1", "token")
    assert shop.ledger.runs("job") == before


def test_a_worker_waits_with_its_claim_until_beat_has_set_the_key_aside(
    shop: Shop, client: Client, settings: Settings
) -> None:
    shop.add()
    shop.commit()
    [run] = shop.ledger.runs("job")
    replace(client, KEYS.leases)
    client.config_resetstat()
    with ThreadPoolExecutor(1) as pool:
        claim = pool.submit(Recorder(settings).taken, run, "w@host:1", "token", False)
        until(lambda: client.info("errorstats").get("errorstat_WRONGTYPE"), 30, "a first attempt has failed")
        assert not claim.done()
        client.delete(KEYS.leases)
        assert claim.result(30) == "claimed"
