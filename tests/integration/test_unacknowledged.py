"""The record of the messages that a worker has taken, on a Redis that refuses writes for a while."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from kombu.connection import Connection
from kombu.transport import redis as kombu_redis
from redis.exceptions import OutOfMemoryError

from scheduler.settings import Settings
from scheduler.worker.unacknowledged import MessageRenewer, QoS, hold_messages
from tests.support.redis_server import redis_server


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Of a Redis of its own, whose messages are held as a worker holds them."""
    monkeypatch.setattr(kombu_redis.Channel, "QoS", kombu_redis.Channel.QoS)
    with redis_server() as server:
        made = Settings(redis_url=server.url, file=tmp_path / "schedules.yaml", state_dir=tmp_path)
        hold_messages(made)
        yield made


def test_a_call_that_a_full_redis_gave_away_is_back_in_its_queue_when_redis_has_room(settings: Settings) -> None:
    with Celery("caller", broker=settings.redis_url, set_as_current=False) as app:
        app.send_task("a.task")
    broker: Any = Connection(settings.redis_url)  # type: ignore[no-untyped-call]
    renewer = MessageRenewer(settings)
    with broker as connection:
        channel = connection.default_channel
        renewer.client.config_set("maxmemory", "1")
        with pytest.raises(OutOfMemoryError):
            channel.basic_get("celery")
        assert renewer.client.llen("celery") == 0, "Redis gave it away"
        renewer.client.config_set("maxmemory", "0")
        renewer.renew()
        assert QoS.unnoted == {}
        channel.qos.next_look = 0.0
        channel.qos.restore_visible()
        assert channel.basic_get("celery").headers["task"] == "a.task"
