"""A session that ends, and a Redis that goes away and comes back, below an open page: nothing typed is lost."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from scheduler import changes
from scheduler.admin.service import Service
from scheduler.model import Entry
from scheduler.storage.sessions import OpenSessions
from tests.browser.conftest import PASSWORD, Open, Site
from tests.browser.looks import must_look_right_everywhere
from tests.browser.test_pages import nightly, with_and_without_javascript
from tests.support.redis_server import RedisServer

__all__ = ["nightly"]
pytestmark = pytest.mark.xdist_group("browser")
FRESH_MS = 10_000  #: after Redis is back
TYPED = {
    "Timing": "every weekday at 9",
    "Time zone": "Asia/Tokyo",
    "a": "7",
    "b": '[1, "<b>"]',
    "Description": "Typed for a long time, with ünusual characters & “quotes”",
    "Tags": "reports, typed",
    "retries": "3",
    "Reason (optional)": "because of the audit",
}
SAVED = {
    "cron": "0 9 * * 1-5",
    "timezone": "Asia/Tokyo",
    "args": [7, [1, "<b>"]],
    "description": TYPED["Description"],
    "tags": ["reports", "typed"],
    "retries": 3,
}


@pytest.fixture
def redis(site: Site, service: Service) -> Iterator[RedisServer]:
    """The Redis of the page; a test may stop it, and start it again with its data."""
    site.redis.write_to_disk()
    yield site.redis
    if site.redis.process is None:
        site.redis.start()
    with site.redis.client() as client:
        client.config_set("appendonly", "no")


def come_back(redis: RedisServer) -> None:
    redis.start("--appendonly", "yes")


def type_all(page: Page) -> None:
    page.locator("summary", has_text="Failures").click()
    for label, text in TYPED.items():
        page.get_by_label(label, exact=True).fill(text)


def must_have_all(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text("Edit nightly")
    for label, text in TYPED.items():
        expect(page.get_by_label(label, exact=True)).to_have_value(text)


def save(page: Page, service: Service) -> None:
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("Saved")
    entry = service.store.get("nightly")
    assert {key: entry.fields.get(key) for key in SAVED} == SAVED
    assert service.store.audit.lines()[0]["why"] == TYPED["Reason (optional)"]


@with_and_without_javascript
def test_what_is_typed_outlives_a_session_that_ends_below_the_open_form(
    open_page: Open, service: Service, nightly: Entry, javascript: bool
) -> None:
    page = open_page("/schedules/nightly/edit", java_script_enabled=javascript, answers=401)
    sessions = OpenSessions(service.store.client, service.store.keys)
    for it in sessions.all():
        sessions.end(it.id)
    type_all(page)
    if javascript:
        expect(page.locator("#preview-lost")).to_contain_text("the session has ended")
    page.get_by_role("button", name="Save", exact=True).click()
    ended = "Your session has ended. Log in to continue: what you typed is kept."
    expect(page.get_by_role("alert")).to_have_text(ended)
    for password in ("wrong", PASSWORD):
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name="Go on").click()
    must_have_all(page)
    assert service.store.get("nightly") == nightly, "a login saves nothing"
    save(page, service)


@with_and_without_javascript
def test_what_is_typed_outlives_a_redis_that_is_away_when_it_is_saved(
    open_page: Open, service: Service, redis: RedisServer, nightly: Entry, javascript: bool
) -> None:
    page = open_page("/schedules/nightly/edit", java_script_enabled=javascript, answers=503)
    redis.stop()
    type_all(page)
    if javascript:
        expect(page.locator("#preview-lost")).to_contain_text("Redis is away")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("What you typed is kept in this page.")).to_be_visible()
    if javascript:
        must_look_right_everywhere(page, "redis-away", at="Service Unavailable")
    come_back(redis)
    page.get_by_role("button", name="Try again").click()
    must_have_all(page)
    save(page, service)


def test_an_open_list_says_how_old_it_is_while_redis_is_away_and_is_fresh_ten_seconds_after_its_return(
    open_page: Open, service: Service, redis: RedisServer, nightly: Entry
) -> None:
    page = open_page(answers=503)
    page.clock.install()
    page.reload()
    expect(page.get_by_role("link", name="nightly", exact=True)).to_be_visible()
    redis.stop()
    page.clock.fast_forward(16_000)
    expect(page.locator("#connection")).to_have_text("Connection lost: this page may be out of date.")
    pill = page.locator("#pill")
    expect(pill).to_have_text(re.compile(r"as of \d\d:\d\d:\d\d"))
    expect(page.get_by_role("link", name="nightly", exact=True)).to_be_visible()
    come_back(redis)
    changes.pause(service.store, "nightly", by="ann")
    expect(page.get_by_text("by ann")).to_be_visible(timeout=FRESH_MS)
    expect(pill).not_to_contain_text("as of")
    expect(page.locator("#connection")).to_have_text("")
