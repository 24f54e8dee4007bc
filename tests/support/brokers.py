"""Brokers other than the schedule's Redis: a RabbitMQ, or a second Redis. Both keep their messages over a restart."""

from __future__ import annotations

import base64
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scheduler.sending.headers import RUN_HEADER
from tests.support.rabbitmq import RabbitServer
from tests.support.redis_server import RedisServer


@dataclass(frozen=True)
class Waiting:
    """A message in a queue."""

    run: str
    arguments: list[Any]
    properties: dict[str, Any]
    headers: dict[str, Any]


QUEUES = ("celery", "reports", "scheduler")


class Rabbit(RabbitServer):
    """As a broker."""

    def take(self, queue: str = "celery") -> list[Waiting]:
        """Remove every message of a queue, in the order in which a worker would get them."""
        with self.connection() as connection, connection.channel() as channel:
            found = []
            while (got := channel.basic_get(queue, no_ack=True)) is not None:
                headers, body = got.properties["application_headers"], json.loads(got.body)
                properties = {name: value for name, value in got.properties.items() if name != "application_headers"}
                found.append(Waiting(headers[RUN_HEADER], body[0], properties, headers))
            return found

    def waiting(self, queue: str = "celery") -> int:
        """How many messages no worker has yet."""
        with self.connection() as connection, connection.channel() as channel:
            return int(channel.queue_declare(queue, passive=True).message_count)

    def clear(self) -> None:
        """Remove every queue that a test may have used."""
        with self.connection() as connection, connection.channel() as channel:
            for queue in QUEUES:
                channel.queue_delete(queue)


class SecondRedis(RedisServer):
    """As a broker."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, durable=True)

    def take(self, queue: str = "celery") -> list[Waiting]:
        """Remove every message of a queue, in the order in which a worker would get them."""
        found = []
        with self.client() as client:
            for key in (queue, *(f"{queue}\x06\x16{step}" for step in (3, 6, 9))):  # kombu's steps of priority
                while (text := client.rpop(key)) is not None:
                    message = json.loads(str(text))
                    body = json.loads(base64.b64decode(message["body"]))
                    headers = message["headers"]
                    found.append(Waiting(headers[RUN_HEADER], body[0], message["properties"], headers))
        return found

    def waiting(self, queue: str = "celery") -> int:
        """How many messages no worker has yet."""
        with self.client() as client:
            return int(str(client.llen(queue)))

    def clear(self) -> None:
        """Remove everything."""
        with self.client() as client:
            client.flushall()

    def close(self) -> None:
        self.kill()


Broker = Rabbit | SecondRedis


@contextmanager
def running(kind: type[Rabbit] | type[SecondRedis]) -> Iterator[Broker]:
    """A broker that is gone, with its data, at the end."""
    directory = Path(tempfile.mkdtemp(prefix="s-", dir="/tmp"))
    try:
        broker = kind(directory)
        try:
            broker.start()
            yield broker
        finally:
            broker.close()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
