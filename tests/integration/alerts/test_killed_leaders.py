"""A leader that dies at any step of any alert loses none, and at most one arrives a second time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from scheduler import faults
from scheduler.alerts import teller
from scheduler.beat.alerts import Look
from scheduler.beat.deliveries import SinkDelivery
from scheduler.model import run_id
from scheduler.settings import Settings
from scheduler.status import problems
from scheduler.status.problems import workers
from scheduler.storage import alerts
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from tests.support.looks import Receiver, end, sinks
from tests.support.schedules import MINUTE, NOON
from tests.support.shop import Shop, claim
from tests.support.workers import seem_to_work

TOKEN = "ours"
STEPS = ("alerts.before_tell", "alerts.after_tell", "alerts.after_send")


class Killed(BaseException):
    """The leader ends here: what it had in memory is gone, and Redis has what it had written."""


@dataclass
class Stage:
    """What happens to a service with one schedule, and leaders that tell of it."""

    shop: Shop
    settings: Settings
    client: Client
    keys: Keys
    monkeypatch: pytest.MonkeyPatch

    def leads(self, killed_at: str = "") -> None:
        """A leader takes over, looks for changes and hands over what waits; raises Killed at that step."""

        def reach(step: str) -> None:
            if step == killed_at:
                raise Killed

        self.monkeypatch.setattr(faults, "reach", reach)
        Look(self.client, self.settings, self.keys, TOKEN).look()
        delivery = SinkDelivery(self.client, self.keys, "ops")
        while alerts.waiting(self.client, self.keys, "ops"):
            delivery.deliver({"ops": {}})

    def nothing(self) -> None:
        """All is well."""

    def fails(self) -> None:
        end(self.shop.ledger, 0, "failed")

    def is_lost(self) -> None:
        end(self.shop.ledger, 0, "lost")

    def succeeds(self) -> None:
        end(self.shop.ledger, 1, "succeeded")

    def misses(self) -> None:
        self.shop.add("missed", late=2 * MINUTE, catch_up="none")
        self.shop.commit("missed", at=self.shop.now + MINUTE / 2)

    def takes_too_long(self) -> None:
        self.shop.add("slow", slow_after="10m")
        self.shop.commit("slow")
        self.shop.ledger.close(claim(self.shop).id, "succeeded", finished=time.time() + 3600)

    def is_in_time(self) -> None:
        self.shop.commit("slow", at=self.shop.now + MINUTE)
        run = claim(self.shop, 1)
        self.shop.ledger.close(run.id, "succeeded", finished=self.shop.ledger.get(run.id).started)

    def waits(self) -> None:
        self.client.sadd(self.keys.queues, "celery")
        self.client.zadd(self.keys.sent("celery"), {run_id("job", NOON): time.time() - 400})

    def is_taken(self) -> None:
        self.client.delete(self.keys.sent("celery"))

    def has_no_worker(self) -> None:
        self.client.delete(self.keys.workers)

    def has_a_worker(self) -> None:
        seem_to_work(self.client, self.keys, every=3600.0)


@pytest.fixture
def stage(shop: Shop, settings: Settings, client: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr(teller, "PROBLEM_LASTS_S", 0.0)
    monkeypatch.setattr(problems, "KINDS", (workers,))
    client.hset(keys.file, "alerts", json.dumps(sinks("ops")))
    client.set(keys.lock, TOKEN)
    shop.add()
    made = Stage(shop, settings, client, keys, monkeypatch)
    made.has_a_worker()
    return made


Happens = Callable[[Stage], None]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    ("before", "happens", "event"),
    [
        pytest.param(Stage.nothing, Stage.fails, "failing", id="failing"),
        pytest.param(Stage.nothing, Stage.is_lost, "lost", id="lost"),
        pytest.param(Stage.fails, Stage.succeeds, "recovered", id="recovered"),
        pytest.param(Stage.nothing, Stage.misses, "missed", id="missed"),
        pytest.param(Stage.nothing, Stage.takes_too_long, "slow", id="slow"),
        pytest.param(Stage.takes_too_long, Stage.is_in_time, "recovered", id="in time"),
        pytest.param(Stage.nothing, Stage.waits, "late", id="late"),
        pytest.param(Stage.waits, Stage.is_taken, "recovered", id="taken"),
        pytest.param(Stage.nothing, Stage.has_no_worker, "problem", id="problem"),
        pytest.param(Stage.has_no_worker, Stage.has_a_worker, "recovered", id="solved"),
    ],
)
def test_an_alert_arrives_although_its_leader_was_killed_and_twice_only_after_it_was_handed_over(
    stage: Stage, receivers: dict[str, Receiver], step: str, before: Happens, happens: Happens, event: str
) -> None:
    before(stage)
    stage.leads()
    taken = receivers["ops"].taken
    taken.clear()
    happens(stage)
    with pytest.raises(Killed):
        stage.leads(killed_at=step)
    stage.leads()
    stage.leads()
    assert [alert.event for alert in taken] == [event] * (2 if step == "alerts.after_send" else 1)
    assert len({alert.id for alert in taken}) == 1
