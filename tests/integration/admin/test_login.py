"""Logging in and out, and everything that keeps others from doing it."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta

import pytest
import time_machine
from celery import Celery
from flask import Flask
from werkzeug.security import generate_password_hash

from scheduler.admin import create_app, login
from scheduler.admin.service import Service
from scheduler.errors import ConfigurationError
from scheduler.model import Entry
from tests.integration.admin.browser import PASSWORD, Browser, text


def test_a_stranger_is_asked_to_log_in_and_then_sees_the_page_that_was_asked_for(stranger: Browser) -> None:
    asked = stranger.get("/schedules?q=report", False)
    assert asked.status_code == 302
    assert asked.location == "/login?next=/schedules?q%3Dreport"
    answer = stranger.log_in(next="/schedules?q=report")
    assert (answer.status_code, answer.location) == (303, "/schedules?q=report")
    assert "<h1>Schedules</h1>" in stranger.get("/schedules").text


def test_a_wrong_password_opens_nothing(stranger: Browser) -> None:
    answer = stranger.log_in("wrong")
    assert answer.status_code == 401
    assert "Wrong password" in text(answer)
    assert stranger.get("/schedules", False).status_code == 302


@pytest.mark.parametrize("password", ["", " " + PASSWORD, PASSWORD.upper(), "x" * 100_000])
def test_only_the_exact_password_opens(stranger: Browser, password: str) -> None:
    assert stranger.log_in(password).status_code == 401


def test_guessing_gets_slower_and_the_right_password_passes_in_its_turn(app: Flask, service: Service) -> None:
    slept: list[float] = []
    service.throttle.clock, service.throttle.sleep = (lambda: 1000.0), slept.append
    guesser, neighbour = Browser(app, "192.0.2.66"), Browser(app, "192.0.2.7")
    assert [guesser.log_in("guess").status_code for _ in range(5)] == [401] * 5
    assert slept == [0, 1]
    assert neighbour.log_in().status_code == 303
    assert guesser.log_in().status_code == 303
    assert slept == [0, 1, 2]


def test_only_a_few_wait_for_their_turn(app: Flask, service: Service) -> None:
    service.throttle.clock, service.throttle.sleep = (lambda: 1000.0), (lambda _: None)
    guesser = Browser(app)
    answers = [guesser.log_in("guess") for _ in range(9)]
    assert [answer.status_code for answer in answers] == [401] * 7 + [429] * 2
    assert answers[-1].headers["Retry-After"] == "3"
    assert "Try again in a few seconds" in text(answers[-1])


@pytest.mark.parametrize(
    ("peer", "header", "address"),
    [
        ("192.0.2.1", "203.0.113.5", "192.0.2.1"),
        ("10.0.0.9", "203.0.113.5", "203.0.113.5"),
        ("10.0.0.9", "198.51.100.1, 203.0.113.5", "203.0.113.5"),
        ("10.0.0.9", "198.51.100.1, 10.1.1.1", "198.51.100.1"),
        ("10.0.0.9", "", "10.0.0.9"),
        ("10.0.0.9", "anything", "anything"),
    ],
)
def test_a_proxys_header_counts_only_from_a_proxy_that_is_configured(
    celery: Celery, peer: str, header: str, address: str
) -> None:
    celery.scheduler_settings = replace(celery.scheduler_settings, proxies=("10.0.0.0/8",))
    app = create_app(celery)
    headers = {"X-Forwarded-For": header}
    with app.test_request_context("/login", headers=headers, environ_base={"REMOTE_ADDR": peer}):
        assert login.client_address() == address


def test_logging_out_ends_the_session_for_every_copy_of_its_cookie(admin: Browser, app: Flask) -> None:
    cookie = admin.client.get_cookie("scheduler_session")
    assert cookie is not None
    assert admin.post("/logout", False).status_code == 303
    assert admin.get("/schedules", False).status_code == 302
    thief = app.test_client()
    thief.set_cookie("scheduler_session", cookie.value)
    assert thief.get("/schedules").status_code == 302


def test_a_session_ends_after_twelve_hours_even_when_it_is_used(admin: Browser, nightly: Entry) -> None:
    now = time.time()
    for hours in (4, 8, 11.9):
        with time_machine.travel(now + timedelta(hours=hours).total_seconds()):
            assert admin.post("/schedules/nightly/pause").status_code == 200
            assert admin.get("/schedules", False).status_code == 200
    with time_machine.travel(now + timedelta(hours=12.1).total_seconds()):
        assert admin.get("/schedules", False).status_code == 302


def test_a_new_password_ends_every_session(celery: Celery, admin: Browser) -> None:
    settings = celery.scheduler_settings
    celery.scheduler_settings = replace(settings, admin_password_hash=generate_password_hash("another"))
    other = create_app(celery).test_client()
    cookie = admin.client.get_cookie("scheduler_session")
    assert cookie is not None
    other.set_cookie("scheduler_session", cookie.value)
    assert other.get("/schedules").status_code == 302


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(stranger: Browser, app: Flask) -> None:
    plain = stranger.log_in().headers["Set-Cookie"]
    assert "HttpOnly" in plain
    assert "SameSite=Strict" in plain
    assert "Secure" not in plain, "it would be lost on http://localhost"
    over_tls = app.test_client().post(
        "/login", data={"password": PASSWORD}, headers={"Sec-Fetch-Site": "same-origin"}, base_url="https://localhost"
    )
    assert "Secure" in over_tls.headers["Set-Cookie"]


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/a\r\nb", "x"]
)
def test_the_login_never_leads_to_another_site(stranger: Browser, elsewhere: str) -> None:
    assert stranger.log_in(next=elsewhere).location == "/schedules"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"admin_password_hash": ""}, "python3 -m scheduler password"),
        ({"admin_password_hash": "hunter2"}, "not a password hash"),
        ({"secret_key": ""}, "SCHEDULER_SECRET_KEY"),
        ({"secret_key": "short"}, "32 random bytes"),
        ({"secret_key": "x" * 64}, "32 random bytes"),
    ],
)
def test_the_page_does_not_start_when_it_could_not_be_closed(
    celery: Celery, changed: dict[str, str], words: str
) -> None:
    celery.scheduler_settings = replace(celery.scheduler_settings, **changed)
    with pytest.raises(ConfigurationError) as error:
        create_app(celery)
    assert words in str(error.value)
    assert "hunter2" not in str(error.value)


def test_the_page_does_not_start_with_flasks_debugger(celery: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_DEBUG", "1")
    with pytest.raises(ConfigurationError, match="FLASK_DEBUG"):
        create_app(celery)
