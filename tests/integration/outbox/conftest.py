"""A broker that is not the schedule's Redis: every test here runs against a RabbitMQ and against a second Redis."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import time_machine

from scheduler import changes
from scheduler.settings import Settings
from scheduler.storage.store import Store
from tests.support.brokers import Broker, Rabbit, SecondRedis, running

FallDue = Callable[..., None]


@pytest.fixture(scope="session", params=[Rabbit, SecondRedis], ids=["rabbitmq", "redis"])
def running_broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    with running(request.param) as broker:
        yield broker


@pytest.fixture
def broker(running_broker: Broker) -> Broker:
    """Running and empty, whatever the test before did to it."""
    if running_broker.process is None:
        running_broker.start()
    running_broker.clear()
    return running_broker


@pytest.fixture
def settings(settings: Settings, broker: Broker) -> Settings:
    return replace(settings, broker=broker.url, lease=3.0, max_interval=1.0)


@pytest.fixture
def fall_due(store: Store) -> FallDue:
    """Create schedules of which so many instants are due now, and no more will be."""

    def make(*names: str, instants: int = 1, **fields: Any) -> None:
        given: dict[str, Any] = {"task": "bodies.note", "every": "1s", "overlap": "allow", "catch_up": "all"}
        given |= {"max_runs": instants, **fields}
        with time_machine.travel(time.time() - instants - 1):
            for name in names:
                changes.create(store, name, given, tasks=None, by="test")

    return make
