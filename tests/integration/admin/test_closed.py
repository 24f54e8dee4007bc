"""What a stranger gets: nothing, wherever they knock."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from werkzeug.routing import Rule

from scheduler.model import Entry
from tests.integration.admin.browser import Browser

OPEN = {"login.show", "login.enter", "health.lives", "health.ready", "static"}
VALUES = {
    "name": "nightly",
    "run_id": "nightly@2026-03-02T12:00:00Z",
    "task_id": "x",
    "line_id": "1-1",
    "filename": "admin.css",
    "act": "stop",
    "group": "0",
    "session_id": "s",
    "kind": "csv",
}


def values_of(rule: Rule) -> dict[str, str]:
    """What the address of a route is built with."""
    known = VALUES | ({"act": "disable"} if rule.endpoint.endswith("_edit") else {})
    return {key: known[key] for key in rule.arguments}


def closed_routes(app: Flask) -> Iterator[tuple[str, str]]:
    """Method and address of every route that is not open."""
    with app.test_request_context():
        adapter = app.create_url_adapter(None) or app.url_map.bind("localhost")
        for rule in app.url_map.iter_rules():
            if rule.endpoint not in OPEN:
                address = adapter.build(rule.endpoint, values_of(rule))
                for method in (rule.methods or set()) - {"OPTIONS"}:
                    yield method, address


def test_every_route_but_login_health_and_static_files_is_closed(app: Flask, nightly: Entry) -> None:
    routes = list(closed_routes(app))
    assert len(routes) > 15
    for method, address in routes:
        client = app.test_client()
        headers = {"Sec-Fetch-Site": "same-origin"}
        page = client.open(address, method=method, headers=headers)
        expected = 401 if address.startswith(("/tasks/", "/metrics", "/api/")) else 302
        assert page.status_code == expected, (method, address)
        assert expected == 401 or page.location.partition("?")[0] == "/login"
        data = client.open(address, method=method, headers={**headers, "Accept": "application/json"})
        assert data.status_code == 401, (method, address)
        assert b"nightly" not in data.data


def test_a_stranger_cannot_even_learn_which_addresses_exist(stranger: Browser) -> None:
    for address in ("/nothing", "/schedules/nobody", "/schedules/x/y/z"):
        assert stranger.get(address, False).status_code == 302
        assert stranger.get(address, Accept="application/json").status_code == 401


@pytest.mark.parametrize("cookie", ["", "x", "eyJzaW5jZSI6MTc5NjAwMDAwMH0.aaaa.bbbb"])
def test_a_forged_session_opens_nothing(app: Flask, cookie: str) -> None:
    client = app.test_client()
    client.set_cookie("scheduler_session", cookie)
    assert client.get("/schedules").status_code == 302


def test_health_tells_strangers_one_word(stranger: Browser) -> None:
    assert stranger.get("/healthz").get_json() == {"ok": True}


def test_the_login_page_names_no_schedule_and_no_version(stranger: Browser, nightly: Entry) -> None:
    page = stranger.get("/login")
    assert page.status_code == 200
    assert "nightly" not in page.text
