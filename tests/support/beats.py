"""A beat inside the test's process, driven step by step."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery

from scheduler.beat import Scheduler
from scheduler.message import RUN_HEADER
from scheduler.redis_client import Client


@contextmanager
def running_beat(app: Celery) -> Iterator[Scheduler]:
    """A beat that gives up its lock and its connections at the end."""
    beat = Scheduler(app=app)
    try:
        yield beat
    finally:
        beat.stop_listening()
        beat.close()
        beat.client.close()


def lead(beat: Scheduler) -> float:
    """One tick of a beat that can lead, without its wait; returns the seconds that it would wait."""
    assert beat.is_leading()
    return beat.lead()


def sent(client: Client, queue: str = "celery") -> list[dict[str, Any]]:
    """The messages in a queue, the first sent first."""
    return [json.loads(message) for message in reversed(client.lrange(queue, 0, -1))]


def runs_sent(client: Client, queue: str = "celery") -> list[str]:
    """The runs of these messages."""
    return [message["headers"][RUN_HEADER] for message in sent(client, queue)]


def arguments(message: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The positional and keyword arguments that a message carries."""
    args, kwargs, _ = json.loads(base64.b64decode(message["body"]))
    return args, kwargs
