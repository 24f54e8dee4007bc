"""A time without a beat that works is told: while it lasts by the beat itself, afterwards by the next leader."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from celery import Celery

from scheduler.alerts.alert import moment
from scheduler.beat import leader_watch
from scheduler.beat.leader_watch import LeaderWatch
from scheduler.beat.scheduler import Scheduler
from scheduler.settings import Settings
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from tests.support.beats import leads, running_beat, write_file
from tests.support.polling import until
from tests.support.receivers import Web, serving
from tests.support.redis_server import RedisServer

JOB = "schedules: {job: {task: scheduler.tasks.log_it, every: 1h, args: [1, 2]}}\n"


@pytest.fixture
def chat() -> Iterator[Web]:
    with serving(Web()) as made:
        yield made


def events(chat: Web) -> list[str]:
    return [json.loads(body)["event"] for _, _, body in list(chat.taken)]


def test_a_leader_whose_redis_is_away_tells_it_and_afterwards_the_span(
    beat: Scheduler, settings: Settings, chat: Web, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leader_watch, "LEADERLESS_S", 0.2)
    write_file(settings, f'alerts: {{sinks: {{chat: {{webhook: {{url: "{chat.url}"}}}}}}}}\n{JOB}')
    assert leads(beat)
    beat.role.tick()
    redis_server.stop()
    try:
        until(lambda: beat.tick() == 0 and events(chat) == ["problem"], 30, "the outage is told")
    finally:
        redis_server.start()
    until(lambda: beat.tick() == 0 and events(chat) == ["problem", "recovered"], 30, "the return is told")
    problem, recovered = (json.loads(body) for _, _, body in chat.taken)
    assert "does not answer" in problem["reason"]
    assert recovered["reason"].startswith(problem["reason"])
    assert " (from " in recovered["reason"]


def test_the_next_leader_tells_of_a_time_in_which_no_beat_ran(
    celery: Celery, settings: Settings, client: Client, keys: Keys, chat: Web
) -> None:
    write_file(settings, f'alerts: {{sinks: {{chat: {{webhook: {{url: "{chat.url}"}}}}}}}}\n{JOB}')
    began = time.time() - 60
    client.set(keys.last_led, began)
    with running_beat(celery) as beat:
        assert leads(beat)
        beat.role.tick()
        until(lambda: chat.taken, 30, "the gap is told")
    alert = json.loads(chat.taken[0][2])
    assert alert["reason"].startswith(f"No beat led from {moment(began)} to ")
    assert (alert["event"], alert["since"]) == ("problem", pytest.approx(began, abs=0.01))


def test_neither_a_restart_nor_the_first_start_is_a_gap() -> None:
    watch, now = LeaderWatch("web1:12"), datetime.now(UTC)
    assert watch.gap_before(now, now.timestamp() - 5) is None
    assert watch.gap_before(now, None) is None
