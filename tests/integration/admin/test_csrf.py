"""Other sites that want the admin's browser to do something here."""

from __future__ import annotations

import pytest
from flask import Flask

from scheduler.model import Entry
from scheduler.storage.store import Store
from tests.integration.admin.browser import Browser
from tests.integration.admin.test_closed import closed_routes

FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    {"Origin": "https://evil.example"},
    {"Origin": "http://localhost:1234"},
    {"Origin": "null"},
    {"Origin": "localhost"},
    {"Origin": "http://["},
    {"Referer": "http://localhost/schedules"},
    {},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_no_other_site_can_change_anything(
    app: Flask, admin: Browser, nightly: Entry, store: Store, headers: dict[str, str]
) -> None:
    posts = [address for method, address in closed_routes(app) if method == "POST"]
    assert len(posts) >= 8
    for address in posts:
        answer = admin.client.post(address, data={"note": "evil"}, headers=headers)
        assert answer.status_code == 403, address
        assert "Nothing was changed" in answer.text
    assert store.get("nightly") == nightly
    assert admin.get("/schedules", False).status_code == 200, "still logged in"


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": "http://localhost"}],
    ids=str,
)
def test_the_page_itself_can(admin: Browser, nightly: Entry, store: Store, headers: dict[str, str]) -> None:
    assert admin.client.post("/schedules/nightly/pause", headers=headers).status_code == 303
    assert store.get("nightly").pause is not None


def test_the_login_too_is_only_for_the_page_itself(app: Flask) -> None:
    answer = app.test_client().post("/login", data={"password": "correct horse"}, headers={"Origin": "http://evil"})
    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers


def test_looking_changes_nothing(app: Flask, admin: Browser, nightly: Entry, store: Store) -> None:
    for method, address in closed_routes(app):
        if method in ("GET", "HEAD"):
            admin.client.open(address, method=method)
    assert store.get("nightly") == nightly
    assert admin.get("/schedules/nightly/pause").status_code == 405


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "x:1", "[::2]", "a b"])
def test_a_host_name_that_is_not_trusted_gets_nothing(admin: Browser, host: str) -> None:
    answer = admin.client.get("/schedules", headers={"Host": host})
    assert answer.status_code == 400
    assert "SCHEDULER_TRUSTED_HOSTS" in answer.text


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "[::1]", "[::1]:8000"])
def test_loopback_is_trusted_by_each_of_its_names(stranger: Browser, host: str) -> None:
    assert stranger.client.get("/login", headers={"Host": host}).status_code == 200
