"""Metrics for Prometheus: who may read them, what they count, and that promtool finds nothing to improve."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import takewhile

import pytest
from celery import Celery
from flask import Flask

from scheduler import celeryapp
from scheduler.admin import create_app
from scheduler.errors import ConfigurationError
from scheduler.settings import Settings
from scheduler.storage.alerts import SinkState, settle
from scheduler.storage.client import Client
from scheduler.storage.counters import BOUNDS_S
from scheduler.storage.keys import Keys
from scheduler.storage.lua import lua_text
from scheduler.storage.workers import Worker, report
from tests.integration.admin.browser import Browser
from tests.support import need
from tests.support.schedules import MINUTE
from tests.support.shop import Shop

TOKEN = "a-token-of-32-characters-or-more"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, metrics_token=TOKEN)


@pytest.fixture
def scrape(app: Flask) -> Callable[[], str]:
    """Read the metrics as Prometheus does."""

    def get() -> str:
        answer = app.test_client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 200
        return answer.text

    return get


def value(text: str, series: str) -> float:
    found = re.search(rf"^scheduler_{re.escape(series)} (\S+)$", text, re.MULTILINE)
    assert found, f"no {series} in:\n{text}"
    return float(found[1])


def test_a_token_or_a_login_opens_the_metrics_and_nothing_else(app: Flask, admin: Browser, stranger: Browser) -> None:
    client = app.test_client()
    for wrong in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer"}):
        answer = client.get("/metrics", headers=wrong)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    right = {"Authorization": f"Bearer {TOKEN}"}
    assert client.get("/metrics", headers=right).status_code == 200
    assert client.get("/schedules", headers=right).status_code != 200
    assert admin.client.get("/metrics").status_code == 200
    assert stranger.client.get("/metrics").status_code == 401


def test_without_a_token_in_the_settings_an_empty_one_opens_nothing(celery: Celery, settings: Settings) -> None:
    celery.scheduler_settings = replace(settings, metrics_token="")
    page = create_app(celery)
    answer = page.test_client().get("/metrics", headers={"Authorization": "Bearer "})
    page.extensions["scheduler"].store.client.close()
    assert answer.status_code == 401


def test_a_token_that_is_easy_to_guess_is_refused(celery: Celery, settings: Settings) -> None:
    celery.scheduler_settings = replace(settings, metrics_token="secret")
    with pytest.raises(ConfigurationError, match="SCHEDULER_METRICS_TOKEN is shorter than 16 characters"):
        create_app(celery)


def test_promtool_finds_nothing_to_improve(shop: Shop, scrape: Callable[[], str]) -> None:
    promtool = need.program("promtool")
    shop.add()
    shop.commit()
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=scrape(), capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_the_schedules_that_the_settings_name_have_series_of_their_own(
    shop: Shop, celery: Celery, settings: Settings, client: Client
) -> None:
    promtool = need.program("promtool")
    for name in ("nightly", "other", "new"):
        shop.add(name)
    for minute, outcome in enumerate(("succeeded", "failed", "lost")):
        shop.tick(minute, "nightly")
        run = shop.ledger.runs("nightly", 1)[0]
        shop.ledger.claim(run, "host:1", "token")
        shop.ledger.close(run.id, outcome, token="token")  # type: ignore[arg-type]
    first, next_due = shop.ledger.runs("nightly")[-1].due, shop.store.get("nightly").due
    celery.scheduler_settings = replace(settings, metrics_schedules=("nightly", "new", "gone", "nightly"))
    page = create_app(celery)
    text = page.test_client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).text
    page.extensions["scheduler"].store.client.close()
    assert value(text, 'schedule_failures{schedule="nightly"}') == 2
    assert value(text, 'schedule_failures{schedule="new"}') == 0
    assert value(text, 'schedule_last_success_timestamp_seconds{schedule="nightly"}') == first
    assert next_due is not None
    assert value(text, 'schedule_next_due_timestamp_seconds{schedule="nightly"}') == next_due.timestamp()
    assert set(re.findall(r'schedule="(\w+)"', text)) == {"nightly", "new"}
    checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_every_run_is_counted_once_from_due_to_its_end(shop: Shop, scrape: Callable[[], str], client: Client) -> None:
    shop.add(overlap="skip")
    shop.commit()
    shop.tick(1, "job")  # the first run still waits
    text = scrape()
    assert value(text, "due_instants_total") == 2
    assert value(text, "runs_sent_total") == 1
    assert value(text, 'due_instants_skipped_total{reason="overlap"}') == 1
    assert value(text, 'queue_waiting_runs{queue="celery"}') == 1
    queued = next(run for run in shop.ledger.runs("job") if run.outcome == "queued")
    shop.ledger.claim(queued, "host:1", "token")
    started = shop.ledger.get(queued.id).started
    shop.ledger.close(queued.id, "failed", token="token", finished=started + 7)
    text = scrape()
    assert value(text, "runs_started_total") == 1
    assert value(text, "run_lateness_seconds_count") == 1
    assert value(text, 'runs_finished_total{outcome="failed"}') == 1
    assert value(text, 'runs_finished_total{outcome="succeeded"}') == 0
    assert value(text, 'run_duration_seconds_bucket{le="5.0",outcome="failed"}') == 0
    assert value(text, 'run_duration_seconds_bucket{le="10.0",outcome="failed"}') == 1
    assert value(text, 'run_duration_seconds_sum{outcome="failed"}') == pytest.approx(7, abs=0.002)
    assert value(text, 'schedules_unhealthy{health="failing"}') == 1
    assert value(text, 'problems{severity="critical"}') >= 1  # no worker answers


def test_a_run_that_a_worker_ends_after_it_was_given_up_counts_as_lost_only(
    shop: Shop, scrape: Callable[[], str]
) -> None:
    shop.add()
    shop.commit()
    run = shop.ledger.runs("job")[0]
    shop.ledger.claim(run, "host:1", "token")
    shop.ledger.close(run.id, "lost")
    assert shop.ledger.close(run.id, "succeeded", token="token")
    text = scrape()
    assert value(text, 'runs_finished_total{outcome="lost"}') == 1
    assert value(text, 'runs_finished_total{outcome="succeeded"}') == 0


def test_many_schedules_and_reasons_of_another_version_add_no_series(
    shop: Shop, scrape: Callable[[], str], client: Client, keys: Keys
) -> None:
    shop.add("one")
    shop.commit("one")
    before = scrape()
    more = [f"many-{number}" for number in range(20)]
    for name in more:
        shop.add(name)
    shop.commit(*more, at=shop.now + MINUTE)
    client.hincrby(keys.counters, "skipped:a later reason", 3)
    client.hset(keys.counters, "due", "no number")
    after = scrape()
    assert after.count("\n") == before.count("\n")
    assert value(after, 'due_instants_skipped_total{reason="other"}') == 3


def test_slots_are_those_of_the_workers_that_still_report(
    scrape: Callable[[], str], client: Client, keys: Keys
) -> None:
    for name, seen, slots, busy in (("a", 0, 4, 3), ("b", 0, 2, 0), ("hangs", 600, 8, 8)):
        report(client, keys, Worker(name, time.time() - seen, 10, ("celery",), slots=slots, busy=busy))
    text = scrape()
    assert value(text, "worker_slots") == 6
    assert value(text, "worker_slots_busy") == 3
    assert value(text, 'workers{state="silent"}') == 1


def test_alerts_are_counted_for_each_sink_of_the_file(scrape: Callable[[], str], client: Client, keys: Keys) -> None:
    client.hset(keys.file, "alerts", json.dumps({"sinks": {"ops": {}, "never": {}}}))
    settle(client, keys, "ops", None, SinkState(sent=3, failed=5, given_up=1))
    settle(client, keys, "left the file", None, SinkState(sent=7))
    client.hset(keys.sinks, "never", '{"sent": "no number"}')
    text = scrape()
    assert value(text, 'alerts_sent_total{sink="ops"}') == 3
    assert value(text, 'alert_attempts_failed_total{sink="ops"}') == 5
    assert value(text, 'alerts_given_up_total{sink="ops"}') == 1
    assert value(text, 'alerts_sent_total{sink="never"}') == 0
    assert "left the file" not in text


def test_a_scrape_asks_redis_nothing_twice(shop: Shop, scrape: Callable[[], str], client: Client) -> None:
    shop.add()
    shop.commit()
    scrape()  # what is read once for each process
    with client.monitor() as monitor:
        scrape()
        client.echo("end")
        asked = [*takewhile(lambda command: command != "ECHO end", (it["command"] for it in monitor.listen()))]
    assert len(asked) > 10
    assert [command for command, times in Counter(asked).items() if times > 1] == []


def test_without_redis_the_metrics_say_so(settings: Settings) -> None:
    gone = replace(settings, redis_url="unix:///nowhere/redis.sock")
    with celeryapp.build(gone) as celery:
        page = create_app(celery)
        answer = page.test_client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    assert value(answer.text, "up") == 0
    assert "scheduler_leaders" not in answer.text


def test_lua_and_python_have_the_same_buckets() -> None:
    found = re.search(r"BUCKETS_S = \{(.*)\}", lua_text("_counters"))
    assert found
    assert (*found[1].split(", "), "+Inf") == BOUNDS_S
