"""A person is told: beat and a worker work, a schedule fails, beat dies, and the alert arrives."""

from __future__ import annotations

import hashlib
import hmac
import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scheduler.alerts.sinks.sink import SEND_TIMEOUT_S
from scheduler.model import Run, run_id
from scheduler.settings import Settings
from scheduler.storage.client import connect
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from tests.support.polling import until
from tests.support.receivers import Post, Web, serving
from tests.support.redis_server import redis_server
from tests.support.schedules import NOON
from tests.support.service import Service, service, short_leases

SECRET = "squirrel-7"
FILE = """
alerts:
  sinks:
    chat: {webhook: {url: "URL", secret: "${CHAT_KEY}"}}
  events: [failing, recovered]
schedules:
  job: {task: TASK, args: ARGS, every: EVERY}
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


def write(settings: Settings, chat: Web, task: str, args: list[Any], every: str = "1s") -> None:
    text = FILE.replace("URL", chat.url).replace("TASK", task).replace("ARGS", json.dumps(args))
    settings.file.write_text(text.replace("EVERY", every))


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


def test_leaders_that_are_killed_before_and_after_a_delivery_lose_no_alert_and_repeat_it_once(
    tmp_path: Path, chat: Web
) -> None:
    with redis_server(durable=True) as redis:
        settings = short_leases(redis.url, tmp_path)
        write(settings, chat, "scheduler.tasks.log_it", [1, 2], every="1d")
        with service(settings, CHAT_KEY=SECRET, SCHEDULER_FAULTS="alerts.after_tell:kill") as running:
            beat = running.start("beat")
            beat.says("Loaded ")
            fail_once(settings)
            assert beat.ends() == -signal.SIGKILL
            running.environ["SCHEDULER_FAULTS"] = "alerts.after_send:kill"
            assert running.start("beat2").ends() == -signal.SIGKILL
            running.environ["SCHEDULER_FAULTS"] = ""
            running.start("beat3").says("Told chat: job failed")
    ids = [body["id"] for body in taken(chat)]
    assert len(ids) in (1, 2), "the first one may have got no further than the outbox"
    assert len(set(ids)) == 1


def fail_once(settings: Settings) -> None:
    """A run fails, as a worker writes it down."""
    with connect(settings) as client:
        ledger = Ledger(client, Keys(settings.key_prefix), settings)
        run = Run(run_id("job", NOON), "job", NOON.timestamp(), "running", task="t")
        ledger.claim(run, "host:1", "token")
        ledger.close(run.id, "failed", token="token", result="no rows")


FOUR_SINKS = """
alerts:
  sinks:
    hangs: {webhook: {url: "URL"}}
    refuses: {email: {to: [a@example.org], from: b@example.org, server: 127.0.0.1, port: REFUSING, security: none}}
    post: {email: {to: [a@example.org], from: b@example.org, server: 127.0.0.1, port: TAKING, security: none}}
  events: [failing]
schedules:
  bad: {task: scheduler.tasks.fail, args: [no rows], every: 1s}
  good: {task: scheduler.tasks.log_it, args: [1, 2], every: 1s, overlap: allow}
"""


def test_a_webhook_that_hangs_and_a_mail_server_that_refuses_delay_no_other_sink_and_no_run(
    tmp_path: Path, chat: Web
) -> None:
    chat.slow = threading.Event()
    refusing, taking = Post("550 no such user"), Post()
    with redis_server(durable=True) as redis, serving(refusing), serving(taking):
        settings = Settings(redis_url=redis.url, file=tmp_path / "schedules.yaml", state_dir=tmp_path / "state")
        ports = FOUR_SINKS.replace("REFUSING", str(refusing.port)).replace("TAKING", str(taking.port))
        settings.file.write_text(ports.replace("URL", chat.url))
        with service(settings) as running, connect(settings) as client:
            beat, _ = running.start_both()
            until(lambda: chat.taken, 60, "the webhook hangs")
            ends = time.time() + SEND_TIMEOUT_S
            until(lambda: taking.mails, 60, "one mail arrives")
            beat.says("Cannot tell refuses, .*550 no such user")
            ledger = Ledger(client, Keys(settings.key_prefix), settings)

            def meanwhile() -> list[Run]:
                return [run for run in ledger.runs("good") if ends - SEND_TIMEOUT_S < run.due < run.sent < ends]

            until(lambda: [run.outcome for run in meanwhile()].count("succeeded") >= 5, 60, "runs succeed meanwhile")
            chat.slow.set()
    assert b"Subject: bad failed" in taking.mails[0]
    assert refusing.mails == []


def test_a_run_that_fails_while_redis_is_away_is_told_once_when_it_is_back(tmp_path: Path, chat: Web) -> None:
    begun, go, ended = tmp_path / "begun", tmp_path / "go", tmp_path / "ended"
    with redis_server(durable=True) as redis:
        settings = short_leases(redis.url, tmp_path)
        line = f"touch {begun}; until [ -e {go} ]; do sleep 0.1; done; echo no rows >&2; touch {ended}; exit 3"
        text = FILE.replace("task: TASK, args: ARGS", f"shell: {json.dumps(line)}").replace("URL", chat.url)
        settings.file.write_text(text.replace("EVERY", "1s"))
        with service(settings, CHAT_KEY=SECRET) as running:
            beat, worker = running.start_both()
            until(begun.exists, 60, "a run begins")
            redis.kill()
            go.touch()
            until(ended.exists, 60, "it fails while Redis is away")
            for program in beat, worker:
                program.says("(?i)redis .*(away|answer|connect)")
            assert taken(chat) == []
            redis.start()
            until(lambda: taken(chat), 60, "the failure is told")
            until(lambda: [run.outcome for run in running.runs("job")].count("failed") >= 2, 60, "it fails again")
    [body] = taken(chat)
    assert (body["event"], body["subject"]) == ("failing", "job")
    assert "no rows" in json.dumps(body)
