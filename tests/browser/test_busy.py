"""A server that is busy, as the unit starts it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import expect

from scheduler import changes
from scheduler.admin import turns
from scheduler.settings import Settings
from scheduler.storage.client import connect
from scheduler.storage.keys import Keys
from scheduler.storage.store import Store
from tests.acceptance.page import Page as Reader
from tests.browser.conftest import PASSWORD, Open
from tests.browser.looks import must_look_right_everywhere
from tests.chaos.proxy import Proxy, proxy
from tests.integration.admin.test_serving import call, served
from tests.support.polling import until
from tests.support.redis_server import redis_server

pytestmark = pytest.mark.xdist_group("browser")
Busy = tuple[str, socket.socket, Proxy]


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[Busy]:
    """The URL of a page with one schedule, its socket, and the proxy before its Redis."""
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server())
        store = Store(connect(Settings(redis_url=redis.url)), Keys())
        stack.callback(store.client.close)
        changes.create(store, "nightly", {"task": "reports.build", "every": "1h"}, tasks=None, by="ann")
        way = stack.enter_context(proxy(redis.directory))
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        stack.enter_context(served(listener, tmp_path, way.url))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", listener, way


def test_a_search_that_waited_too_long_for_its_turn_says_so_on_a_page_that_fits(open_page: Open, unit: Busy) -> None:
    url, listener, way = unit
    page = open_page(f"{url}/login", log_in=False, answers=503)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/schedules")
    reader = Reader(url)
    reader.log_in(PASSWORD)
    way.hold(b":ended\r\n")  # by which a list is sorted
    with ExitStack() as slow:
        for _ in range(turns.AT_ONCE):
            slow.enter_context(call(listener, "/schedules?sort=last", reader.cookie))
        until(lambda: len(way.held) >= turns.AT_ONCE, 30, "searches wait for Redis")
        page.get_by_label("Search").fill("nightly")
        with page.expect_request("**/schedules?q=nightly"):
            page.get_by_role("button", name="Search").click(no_wait_after=True)
        late = time.monotonic() + turns.MAX_WAIT_S + 1
        until(lambda: time.monotonic() > late, 30, "it has waited for too long")
        way.let_go()
        expect(page.get_by_text("Too many searches at once: wait a moment, then search again.")).to_be_visible()
    must_look_right_everywhere(page, "busy", at="Service Unavailable")
