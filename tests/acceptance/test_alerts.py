"""A person is told: beat and a worker work, a schedule fails, beat dies, and the alert arrives."""

from __future__ import annotations

import hashlib
import hmac
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scheduler.settings import Settings
from scheduler.storage.client import connect
from scheduler.storage.keys import Keys
from tests.support.polling import until
from tests.support.receivers import Web, serving
from tests.support.redis_server import redis_server
from tests.support.service import Service, service

SECRET = "squirrel-7"
FILE = """
alerts:
  sinks:
    chat: {webhook: {url: "URL", secret: "${CHAT_KEY}"}}
  events: [failing, recovered]
schedules:
  job: {task: TASK, args: ARGS, every: 1s}
"""


@pytest.fixture
def chat() -> Iterator[Web]:
    with serving(Web()) as made:
        yield made


@pytest.fixture
def running(tmp_path: Path, chat: Web) -> Iterator[Service]:
    with redis_server(durable=True) as redis:
        settings = Settings(redis_url=redis.url, file=tmp_path / "schedules.yaml", state_dir=tmp_path / "state")
        write(settings, chat, "scheduler.tasks.fail", ["no rows"])
        with service(settings, CHAT_KEY=SECRET) as made:
            yield made


def write(settings: Settings, chat: Web, task: str, args: list[Any]) -> None:
    text = FILE.replace("URL", chat.url).replace("TASK", task).replace("ARGS", json.dumps(args))
    settings.file.write_text(text)


def taken(chat: Web) -> list[dict[str, Any]]:
    return [json.loads(body) for _, _, body in list(chat.taken)]


def test_an_alert_arrives_once_although_the_leader_was_killed_before_it_was_written(
    running: Service, chat: Web
) -> None:
    running.start("worker", "--concurrency=1").says(r" ready\.")
    running.environ["SCHEDULER_FAULTS"] = "alerts.before_tell:kill"
    assert running.start("beat").ends() == -signal.SIGKILL
    assert taken(chat) == []
    running.environ["SCHEDULER_FAULTS"] = ""
    running.start("beat2")
    until(lambda: taken(chat), 60, "the failure is told")
    write(running.settings, chat, "scheduler.tasks.log_it", [1, 2])
    until(lambda: len(taken(chat)) > 1, 60, "the recovery is told")
    failing, well = taken(chat)
    assert (failing["event"], failing["subject"], failing["severity"]) == ("failing", "job", "warning")
    assert "no rows" in failing["reason"]
    assert (well["event"], well["subject"], well["severity"]) == ("recovered", "job", "ok")
    is_signed(chat)
    assert SECRET not in everything_kept(running)


def is_signed(chat: Web) -> None:
    _, headers, body = chat.taken[0]
    signed = headers["Scheduler-Timestamp"].encode() + b"." + body
    assert headers["Scheduler-Signature"] == "sha256=" + hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()


def everything_kept(running: Service) -> str:
    """What Redis has of alerts, the copy of beat on the disk, and the logs."""
    keys = Keys(running.settings.key_prefix)
    with connect(running.settings) as client:
        stored = [client.hgetall(keys.file), client.hgetall(keys.told)]
    assert "${CHAT_KEY}" in stored[0]["alerts"]
    files = [path.read_text(errors="replace") for path in running.directory.iterdir() if path.is_file()]
    return json.dumps(stored) + "".join(files)
