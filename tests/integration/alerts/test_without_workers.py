"""All workers are down for a long time: every look names it, and a person is told once."""

from __future__ import annotations

import json
import time

import time_machine
from celery import Celery

from scheduler.alerts.alert import Alert
from scheduler.beat.alerts import Look
from scheduler.beat.lost_runs import LostRuns
from scheduler.beat.memory import Memory
from scheduler.model import Reason
from scheduler.settings import Settings
from scheduler.status import problems
from scheduler.storage import health
from scheduler.storage.client import Client
from scheduler.storage.instants import from_seconds
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from tests.support.schedules import MINUTE, SECOND
from tests.support.shop import Shop, claim_and_close
from tests.support.workers import seem_to_work

TOKEN = "ours"
PERIODS = 100
NO_WORKER = "No worker answers, so no run starts"


def test_a_hundred_periods_without_a_worker_are_named_at_each_and_told_once(
    shop: Shop, celery: Celery, client: Client, keys: Keys, settings: Settings, ledger: Ledger
) -> None:
    client.hset(keys.file, "alerts", json.dumps({"sinks": {"ops": {"webhook": {"url": "http://127.0.0.1:1"}}}}))
    shop.add(expires="30s")
    lost_runs = LostRuns(celery, shop.store, ledger, Memory())
    lost_runs.patience = 0.0
    look = Look(client, settings, keys, TOKEN)

    def look_a_minute_later() -> None:
        clock.shift(MINUTE)
        assert lost_runs.settle(TOKEN)
        look.problems_at = float("-inf")
        look.look()

    def told() -> list[str]:
        titles = [Alert.from_json(text).title() for text in client.lrange(keys.alert_outbox("ops"), 0, -1)]
        return sorted(title for title in titles if "clock of the Redis machine" not in title)  # only here it is another

    with time_machine.travel(shop.now + SECOND, tick=False) as clock:
        for _ in range(PERIODS):
            shop.commit(at=from_seconds(time.time()))
            look_a_minute_later()
            assert NO_WORKER in [problem.sentence for problem in problems.problems(shop.store, settings)]
            assert list(health.stuck(client, keys, 10)) == ["job"]
        assert told() == [NO_WORKER, "job is stuck"]
        assert [run.reason for run in ledger.runs("job", 1000)] == [Reason.EXPIRED] * PERIODS
        seem_to_work(client, keys, every=3600.0)
        shop.commit(at=from_seconds(time.time()))
        claim_and_close(shop)
        for _ in range(2):
            look_a_minute_later()
    solved = [title for title in told() if title.startswith("Solved: ")]
    assert [NO_WORKER in title or "'job'" in title for title in solved] == [True, True]
    assert len(told()) == 4
