"""A Redis of its own for each test, and a service that uses it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler.settings import Settings
from tests.support.redis_server import RedisServer, redis_server


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A server that this test may spoil or fill."""
    with redis_server() as server:
        server.write_to_disk()
        yield server


@pytest.fixture
def settings(own_redis: RedisServer, tmp_path: Path) -> Settings:
    return Settings(redis_url=own_redis.url, file=tmp_path / "schedules.yaml", state_dir=tmp_path / ".scheduler")
