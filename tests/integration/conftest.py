"""What the integration tests share: a real Redis for each xdist worker, emptied before each test."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from celery import Celery
from kombu import pools

from scheduler import celeryapp
from scheduler.beat.scheduler import Scheduler
from scheduler.registry import signatures
from scheduler.sending.dispatch import Dispatcher
from scheduler.settings import Settings
from scheduler.storage.client import Client, connect
from scheduler.storage.instants import from_seconds
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.storage.store import Store
from tests.support.beats import running_beat
from tests.support.redis_server import RedisServer
from tests.support.redis_server import redis_server as run_redis
from tests.support.schedules import SECOND
from tests.support.shell import Shell
from tests.support.shop import Shop

LONGEST_TEST_S = 10.0  #: seconds that a test with an hourly schedule takes on a busy machine


@pytest.fixture(autouse=True)
def not_at_a_full_hour() -> None:
    """Most schedules here are hourly: at the full hour they would fall due in the middle of a test."""
    left = 3600 - time.time() % 3600
    if left < LONGEST_TEST_S:
        time.sleep(left + 0.1)


@pytest.fixture(scope="session")
def running_redis() -> Iterator[RedisServer]:
    with run_redis() as server:
        server.write_to_disk()
        yield server


@pytest.fixture
def redis_server(running_redis: RedisServer) -> RedisServer:
    """The server, empty."""
    with running_redis.client() as client:
        client.flushall()
        if client.config_get("appendonly")["appendonly"] == "no":  # a test restarted it
            running_redis.write_to_disk()
    return running_redis


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """As SCHEDULER_REDIS_URL takes it."""
    return redis_server.url


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    """The service's, with a schedule file in a directory of the test's own."""
    return Settings(redis_url=redis_url, file=tmp_path / "schedules.yaml", state_dir=tmp_path / ".scheduler")


@pytest.fixture
def client(settings: Settings) -> Iterator[Client]:
    with connect(settings) as connected:
        yield connected


@pytest.fixture
def keys(settings: Settings) -> Keys:
    return Keys(settings.key_prefix)


@pytest.fixture
def store(client: Client, keys: Keys) -> Store:
    return Store(client, keys)


@pytest.fixture
def ledger(client: Client, keys: Keys, settings: Settings) -> Ledger:
    return Ledger(client, keys, settings)


@pytest.fixture
def celery(settings: Settings) -> Iterator[Celery]:
    """The service's Celery application on this test's Redis, its tasks registered."""
    made = celeryapp.build(settings)
    signatures(made)
    yield made
    made.close()
    pools.reset()  # type: ignore[no-untyped-call]


@pytest.fixture
def beat(celery: Celery) -> Iterator[Scheduler]:
    """The beat's scheduler as `celery beat` makes it, in this process; it does not lead yet."""
    with running_beat(celery) as made:
        yield made


@pytest.fixture
def just_now() -> datetime:
    """An instant that has come, and is met on time."""
    return from_seconds(time.time()) - SECOND


@pytest.fixture
def now() -> datetime:
    """The full minute at which schedules of `every: 1m` are due."""
    return from_seconds(time.time() // 60 * 60)


@pytest.fixture
def dispatcher(celery: Celery, client: Client, keys: Keys, settings: Settings) -> Dispatcher:
    client.set(keys.lock, "ours")
    return Dispatcher(celery, client, keys, settings)


@pytest.fixture
def shop(store: Store, dispatcher: Dispatcher, ledger: Ledger, now: datetime) -> Shop:
    return Shop(store, dispatcher, ledger, now)


@pytest.fixture
def shell(settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setenv("SCHEDULER_REDIS_URL", settings.redis_url)
    monkeypatch.setenv("SCHEDULER_FILE", str(settings.file))
    monkeypatch.setenv("SCHEDULER_STATE_DIR", str(settings.state_dir))
    monkeypatch.setenv("COLUMNS", "200")
    return Shell(settings, capsys)
