"""What the page says while Redis is away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask

from scheduler import celeryapp
from scheduler.admin import create_app
from scheduler.settings import Settings
from tests.integration.admin.browser import Browser, Document, text
from tests.support.redis_server import RedisServer
from tests.support.redis_server import redis_server as run_redis
from tests.support.refusals import KINDS, READABLE

PATHS = [
    "/schedules",
    "/schedules/x",
    "/schedules/x/edit",
    "/schedules/x/runs/x@2026-01-01T00:00:00Z",
    "/audit",
    "/tasks/x",
]


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    with run_redis() as server:
        yield server


@pytest.fixture
def orphan(own_redis: RedisServer, settings: Settings) -> Iterator[Browser]:
    """The admin's browser on a page whose Redis has just gone."""
    with celeryapp.build(replace(settings, redis_url=own_redis.url)) as celery:
        app: Flask = create_app(celery)
        own_redis.stop()
        browser = Browser(app)
        browser.log_in()
        yield browser
        app.extensions["scheduler"].store.client.close()


@pytest.mark.parametrize("path", PATHS)
def test_every_page_says_so_in_one_sentence_with_the_remedy(orphan: Browser, path: str) -> None:
    answer = orphan.get(path)
    assert answer.status_code == 503
    assert "does not answer" in text(answer) or path == "/tasks/x"
    assert "start it, or set SCHEDULER_REDIS_URL to one that runs" in answer.text
    assert "Traceback" not in answer.text
    assert orphan.get(path, Accept="application/json").get_json().keys() == {"error"}


@pytest.mark.parametrize("path", ["/schedules/x/pause", "/schedules/x/runs", "/schedules/x/edit", "/schedules/new"])
def test_a_change_is_not_pretended(orphan: Browser, path: str) -> None:
    assert orphan.post(path, note="x").status_code == 503


def test_readiness_says_no_and_the_process_lives(orphan: Browser) -> None:
    answer = orphan.get("/readyz")
    assert (answer.status_code, answer.get_json()) == (503, {"ok": False, "critical": 1, "warning": 0})
    assert orphan.client.get("/healthz").get_json() == {"ok": True}


def test_a_password_in_the_url_is_not_told(settings: Settings) -> None:
    url = "redis://user:hunter2@localhost:1/0"
    with celeryapp.build(replace(settings, redis_url=url)) as celery:
        browser = Browser(create_app(celery))
        browser.log_in()
        page = browser.get("/schedules")
    assert page.status_code == 503
    assert "localhost:1" in page.text
    assert "hunter2" not in page.text


def test_the_page_works_again_when_redis_is_back(orphan: Browser, own_redis: RedisServer) -> None:
    assert orphan.get("/schedules").status_code == 503
    own_redis.start()
    assert orphan.get("/schedules").status_code == 200


@pytest.mark.parametrize("kind", sorted({*KINDS} - {"NOPERM"}))
def test_the_page_shows_what_can_be_read_and_why_redis_refuses(
    own_redis: RedisServer, settings: Settings, kind: str
) -> None:
    spoil, meaning, remedy = KINDS[kind]
    with celeryapp.build(replace(settings, redis_url=own_redis.url)) as celery:
        app: Flask = create_app(celery)
        browser = Browser(app)
        browser.log_in()
        form = Document(browser.get("/schedules/new").text).forms[-1].fields | {"name": "job", "args": "[1, 2]"}
        form |= {"task": "scheduler.tasks.log_it", "timing": "1h"}
        spoil(own_redis)
        app.extensions["scheduler"].store.client.connection_pool.disconnect()  # one that is open needs no password
        page, change = browser.get("/schedules"), browser.post("/schedules/new", **form)
        # A full Redis lets a script through that begins by deleting: then the change is made.
        is_made = change.status_code == 200 and "job" in app.extensions["scheduler"].store.names()
        app.extensions["scheduler"].store.client.close()
    assert page.status_code == (200 if kind in READABLE else 503)
    assert meaning in page.text
    assert remedy in page.text
    assert "No beat leads" not in page.text
    assert is_made or change.status_code == 503, "the change is not pretended"
    assert is_made or meaning in change.text


def test_what_was_typed_is_kept_in_the_page_that_says_that_redis_is_away(
    orphan: Browser, own_redis: RedisServer
) -> None:
    typed = {"name": "job", "task": "scheduler.tasks.log_it", "timing": "1h", "args": "[1, 2]", "enabled": "on"}
    answer = orphan.post("/schedules/new?arguments=json", **typed)
    assert answer.status_code == 503
    kept = Document(answer.text).forms[-1].fields
    assert kept == typed
    own_redis.start()
    form = Document(orphan.post("/schedules/new?arguments=json", **kept | {"act": "check"}).text).forms[-1].fields
    assert {key: form[key] for key in typed} == typed
