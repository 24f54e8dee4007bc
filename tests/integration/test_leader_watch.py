"""A time without a beat that works is told: while it lasts by the beat itself, afterwards by the next leader."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from celery import Celery

from scheduler.alerts.alert import Alert, moment
from scheduler.beat import leader_watch
from scheduler.beat.alerts import Look
from scheduler.beat.leader_watch import gap_alert
from scheduler.beat.lease import Lease
from scheduler.beat.scheduler import Scheduler
from scheduler.settings import Settings
from scheduler.storage import alerts
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


def test_a_leader_that_dies_before_it_can_tell_of_the_gap_leaves_it_to_the_next(
    settings: Settings, client: Client, keys: Keys
) -> None:
    client.hset(keys.file, "alerts", json.dumps({"sinks": {"ops": {"webhook": {}}}}))
    began = round(time.time() - 60, 3)
    client.set(keys.last_led, began)
    dies, follows = Lease(settings), Lease(settings)
    assert dies.campaign(client)
    client.delete(keys.lock)
    assert follows.campaign(client)
    for _ in range(2):
        Look(client, settings, keys, follows.token).look()
    (text,) = client.lrange(keys.alert_outbox("ops"), 0, -1)
    alert = Alert.from_json(text)
    assert (alert.since, alert.reason.partition(" to ")[0]) == (began, f"No beat led from {moment(began)}")
    assert not client.hexists(keys.told, alerts.GAP)
    for lease in (dies, follows):
        lease.held = False


def test_a_gap_that_this_beat_told_of_itself_is_not_told_again(settings: Settings, client: Client, keys: Keys) -> None:
    client.hset(keys.file, "alerts", json.dumps({"sinks": {"ops": {"webhook": {}}}}))
    client.set(keys.lock, "ours")
    client.hset(keys.told, alerts.GAP, f"{time.time() - 60} {time.time()}")
    Look(client, settings, keys, "ours", tells_gap=False).look()
    assert not client.exists(keys.alert_outbox("ops"))
    assert not client.hexists(keys.told, alerts.GAP)


@pytest.mark.parametrize("last_led", [None, 5.0])
def test_neither_a_restart_nor_the_first_start_is_a_gap(
    settings: Settings, client: Client, keys: Keys, last_led: float | None
) -> None:
    if last_led:
        client.set(keys.last_led, time.time() - last_led)
    lease = Lease(settings)
    assert lease.campaign(client)
    lease.held = False
    assert not client.exists(keys.told)


@pytest.mark.parametrize(("led_s", "is_one"), [(2.0, True), (600.0, False)])
def test_two_gaps_are_one_unless_a_beat_led_between_them(
    settings: Settings, client: Client, keys: Keys, led_s: float, is_one: bool
) -> None:
    last_led = round(time.time() - 60, 3)
    client.hset(keys.told, alerts.GAP, f"1000.0 {last_led - led_s}")
    client.set(keys.last_led, last_led)
    lease = Lease(settings)
    assert lease.campaign(client)
    lease.held = False
    since = float((client.hget(keys.told, alerts.GAP) or "").split()[0])
    assert since == (1000.0 if is_one else last_led)


def test_a_gap_of_long_ago_is_no_news() -> None:
    assert gap_alert("1000.0 2000.0", 90_000) is None
    assert gap_alert("no instants", 90_000) is None
    assert gap_alert("1000.0 2000.0", 2001.0) is not None
