"""The record of the messages that a worker has taken, on a Redis that refuses writes for a while."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from celery import Celery
from celery.app.task import Context
from kombu.connection import Connection
from kombu.transport import redis as kombu_redis
from redis.exceptions import OutOfMemoryError, ResponseError

from scheduler import celeryapp
from scheduler.model import Run, read_run_id
from scheduler.model.run import run_id
from scheduler.sending.headers import RUN_HEADER, task_id
from scheduler.settings import Settings
from scheduler.storage.client import connect
from scheduler.storage.instants import from_seconds
from scheduler.storage.line import Line
from scheduler.worker.intake import Intake
from scheduler.worker.message_renewer import MessageRenewer
from scheduler.worker.recorder import Recorder
from scheduler.worker.unacknowledged import QoS, hold_messages, places
from tests.support.polling import until
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


def test_a_message_that_redis_gave_away_before_it_refused_is_not_set_aside_as_unreadable(settings: Settings) -> None:
    app = celeryapp.build(settings)
    app.send_task("a.task")
    with Connection(settings.redis_url) as connection, connect(settings) as client:  # type: ignore[no-untyped-call]
        channel, renewer = connection.default_channel, MessageRenewer(settings)
        raw = json.loads(client.rpop("celery"))
        client.config_set("min-replicas-to-write", "1")
        deliver = Intake(app, connection.connection_errors).guard_delivery(
            lambda raw, queue: channel.qos.append(channel.message_to_python(raw), "tag")
        )
        with pytest.raises(ResponseError, match="NOREPLICAS"):
            deliver(raw, "celery")
        client.config_set("min-replicas-to-write", "0")
        assert list(QoS.unnoted) == ["tag"]
        renewer.renew()
        assert QoS.unnoted == {}
        assert not list(client.scan_iter(f"{settings.key_prefix}*"))
    app.close()


def test_a_run_that_a_full_redis_gave_away_is_back_in_its_queue_when_redis_has_room(settings: Settings) -> None:
    """Its worker does not wait for the answer to its note, and learns later that Redis refused it."""
    broker, renewer = send_a_run(settings), MessageRenewer(settings)
    with broker as connection:
        channel = connection.default_channel
        renewer.client.config_set("maxmemory", "1")
        message = channel.basic_get("celery")
        channel.qos.finish()
        assert list(QoS.unnoted) == [message.delivery_tag]
        renewer.client.config_set("maxmemory", "0")
        comes_back(channel, renewer)


def test_a_run_whose_note_is_lost_with_its_connection_is_back_in_its_queue(settings: Settings) -> None:
    broker, renewer = send_a_run(settings), MessageRenewer(settings)
    with broker as connection:
        channel = connection.default_channel
        tag = channel.basic_get("celery").delivery_tag
        channel.qos.line.connection.disconnect()
        until(lambda: renewer.client.delete(*places()), 5, "nothing is noted")
        channel.qos.finish()
        renewer.renew()
        assert renewer.client.zscore("unacked_held", tag) > time.time(), "this worker has it still"
        QoS.unnoted[tag] = renewer.client.hget("unacked", tag)
        comes_back(channel, renewer)
    assert (QoS.unnoted, renewer.client.llen("celery")) == ({}, 1), "closing the connection returns it once"


def test_a_run_that_is_noted_and_returned_by_two_threads_is_back_in_its_queue_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker, renewer, look = send_a_run(settings), MessageRenewer(settings), redis.Redis.hexists
    renewing = threading.Thread(target=renewer.renew)

    def look_as_the_renewer_begins(client: Any, *arguments: Any) -> Any:
        renewing.start()
        renewing.join(1)  # it has to wait for this thread
        return look(client, *arguments)

    with broker as connection:
        assert connection.default_channel.basic_get("celery")
        connection.default_channel.qos.line.connection.disconnect()
        monkeypatch.setattr(redis.Redis, "hexists", look_as_the_renewer_begins)
    renewing.join()
    client = renewer.client
    assert (QoS.unnoted, client.llen("celery"), client.hlen("unacked")) == ({}, 1, 0)


@pytest.mark.parametrize("is_lost_first", [True, False])
def test_a_worker_notes_no_run_that_has_ended_when_its_connection_is_lost(
    settings: Settings, is_lost_first: bool
) -> None:
    """Noted again, the message of a run whose record Redis lost would start it again."""

    def lose(line: Line) -> None:
        line.connection.disconnect()
        line.finish()

    with send_a_run(settings) as connection:
        channel = connection.default_channel
        message = channel.basic_get("celery")
        QoS.closed.add(message.delivery_tag)
        if is_lost_first:
            lose(channel.qos.line)
            assert list(QoS.unnoted) == [message.delivery_tag]
        message.ack()
        lose(channel.qos.line)
        assert QoS.unnoted == {}
        MessageRenewer(settings).renew()


def send_a_run(settings: Settings) -> Any:
    with Celery("caller", broker=settings.redis_url, set_as_current=False) as app:
        app.send_task("a.task", task_id=task_id("job@now"), headers={RUN_HEADER: "job@now"})
    return Connection(settings.redis_url)  # type: ignore[no-untyped-call]


def comes_back(channel: Any, renewer: MessageRenewer) -> None:
    """To any worker, once this one has dropped it."""
    channel._delivered = channel.qos._delivered.clear()
    renewer.renew()
    assert QoS.unnoted == {}
    channel.qos.next_look = 0.0
    channel.qos.restore_visible()
    assert channel.basic_get("celery").headers[RUN_HEADER] == "job@now"


def test_the_messages_of_ended_runs_are_removed_together_where_their_ends_could_not_be_written(
    settings: Settings,
) -> None:
    """The step that ends a run acknowledges its message; the worker only forgets it."""
    with Celery("caller", broker=settings.redis_url, set_as_current=False) as app:
        app.send_task("a.task")
        app.send_task("a.task")
    broker: Any = Connection(settings.redis_url)  # type: ignore[no-untyped-call]
    with broker as connection, connect(settings) as client:
        channel = connection.default_channel
        taken = [channel.basic_get("celery") for _ in range(2)]
        QoS.closed.update(message.delivery_tag for message in taken)
        client.config_resetstat()
        for message in taken:
            message.ack()
        assert not channel.qos._delivered.keys() - channel.qos._dirty, "two others may come"
        assert "cmdstat_hdel" not in client.info("commandstats")
        MessageRenewer(settings).renew()
        assert not client.exists("unacked", "unacked_index", "unacked_held")
        assert QoS.settled == QoS.closed == set()
        assert client.info("commandstats")["cmdstat_hdel"]["calls"] == 1


def test_a_second_delivery_ends_no_run_also_while_redis_refuses_writes(settings: Settings) -> None:
    """An error would end as failed what another worker runs."""
    recorder, identity = Recorder(settings), run_id("job", from_seconds(time.time()))
    recorder.attempts = 0
    run = Run(identity, *read_run_id(identity), "running", task="a.task", task_id=task_id(identity))
    client = recorder.ledger.client
    assert recorder.ledger.claim(run, "another worker", "token") == "claimed"
    client.hset("unacked", "tag", "{}")
    request = Context(id=run.task_id, hostname="worker", properties={"delivery_tag": "tag"})
    task: Any = SimpleNamespace(name="a.task", request=request)
    for least, left in ((1, 1), (0, 0)):
        client.config_set("min-replicas-to-write", least)
        assert recorder.claim(task, identity) is False
        assert client.exists("unacked") == left


def test_a_call_that_another_worker_took_again_meanwhile_is_not_returned_a_second_time(settings: Settings) -> None:
    with Celery("caller", broker=settings.redis_url, set_as_current=False) as app:
        app.send_task("a.task")
    broker: Any = Connection(settings.redis_url)  # type: ignore[no-untyped-call]
    with broker as connection, connect(settings) as client:
        qos = connection.default_channel.qos
        stored = json.dumps([json.loads(client.rpop("celery")), "", "celery"])
        client.hset(qos.unacked_key, "tag", stored)
        client.zadd(qos.held_key, {"tag": time.time() + 60})
        with qos.channel.conn_or_acquire() as own:
            assert not qos.restore_ended("tag", own)
            assert (client.llen("celery"), client.hlen(qos.unacked_key)) == (0, 1)
            client.zadd(qos.held_key, {"tag": 0})
            assert qos.restore_ended("tag", own)
        assert (client.llen("celery"), client.hlen(qos.unacked_key), client.zcard(qos.held_key)) == (1, 0, 0)
