"""Each route needs a role, and each page shows only what its reader may do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from werkzeug.routing import RequestRedirect
from werkzeug.security import generate_password_hash

from scheduler import changes
from scheduler.admin.accounts import Account, write
from scheduler.admin.roles import PUBLIC, RIGHTS, allows
from scheduler.admin.security import SAFE_METHODS
from scheduler.admin.service import Service
from scheduler.model import Entry
from scheduler.model.roles import ROLES
from scheduler.settings import Settings
from tests.integration.admin.browser import PASSWORD, Browser, Document, text
from tests.integration.admin.conftest import Declare
from tests.integration.admin.test_closed import values_of

NAMES = {role: f"{role}-of-the-page" for role in ROLES}
WEAK = generate_password_hash(PASSWORD, method="pbkdf2:sha256:1")
SAID = "this needs the role"


@pytest.fixture
def people_of_each_role(settings: Settings, app: Flask) -> Iterator[Callable[[str], Browser]]:
    """A browser in which a person with this role has logged in."""
    settings.accounts.parent.mkdir(exist_ok=True)
    write(settings.accounts, [Account(name, role, WEAK) for role, name in NAMES.items()])
    browsers: dict[str, Browser] = {}

    def of(role: str) -> Browser:
        if role not in browsers:
            browsers[role] = Browser(app)
            assert browsers[role].log_in(username=NAMES[role]).status_code == 303
        return browsers[role]

    yield of
    settings.accounts.unlink()


def routes(app: Flask) -> Iterator[tuple[str, str, str]]:
    """Endpoint, method and an address of every route."""
    with app.test_request_context():
        adapter = app.create_url_adapter(None) or app.url_map.bind("localhost")
        for rule in app.url_map.iter_rules():
            address = adapter.build(rule.endpoint, values_of(rule))
            for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}):
                yield rule.endpoint, method, address


def test_an_act_on_many_schedules_promises_its_undo_only_to_who_may_undo_it(
    people_of_each_role: Callable[[str], Browser], nightly: Entry
) -> None:
    for role, act in (("operator", "pause"), ("editor", "resume")):
        browser, may_undo = people_of_each_role(role), role == "editor"
        assert ("where one click undoes it" in text(browser.post(f"/bulk/{act}", name="nightly"))) == may_undo
        answer = text(browser.post(f"/bulk/{act}/now", names='["nightly"]'))
        assert "1 schedule." in answer
        assert ("Undo it in the audit log" in answer) == may_undo


def test_every_route_has_a_right_and_none_both_shows_and_changes(app: Flask) -> None:
    methods: dict[str, set[str]] = {}
    for rule in app.url_map.iter_rules():
        methods.setdefault(rule.endpoint, set()).update(rule.methods or ())
    assert methods.keys() == RIGHTS.keys(), "add each new endpoint to scheduler/admin/roles.py"
    assert all(used <= SAFE_METHODS or not used & (SAFE_METHODS - {"OPTIONS"}) for used in methods.values())
    changing = {endpoint for endpoint, used in methods.items() if not used <= SAFE_METHODS}
    their_own = {"login.enter", "login.leave", "sessions.end"}
    assert not [it for it in changing - their_own if allows("viewer", it)]


def test_each_role_gets_in_exactly_where_the_table_says(
    app: Flask, people_of_each_role: Callable[[str], Browser], nightly: Entry
) -> None:
    headers = {"Sec-Fetch-Site": "same-origin", "Accept": "application/json"}
    for role in ROLES:
        for endpoint, method, address in routes(app):
            if endpoint == "login.leave":
                continue
            browser = people_of_each_role(role)
            answer = browser.client.open(
                address, method=method, headers=headers, environ_base=browser.environ, buffered=True
            )
            is_refused = answer.status_code == 403 and SAID in answer.text
            needed = RIGHTS[endpoint]
            allowed = needed == PUBLIC or ROLES.index(role) >= ROLES.index(needed)
            assert is_refused != allowed, (role, method, address, answer.status_code)


def test_no_page_has_a_button_that_its_reader_may_not_press(
    app: Flask, people_of_each_role: Callable[[str], Browser], nightly: Entry, make: Declare, service: Service
) -> None:
    make("pausable", every="1h")
    make("paused")
    changes.pause(service.store, "paused", by="ann", note="why")
    changes.skip(service.store, "pausable", by="ann", note="")
    fields: dict[str, Any] = {**nightly.fields, "queue": "other", "priority": 3}
    changes.edit(service.store, "nightly", fields, tasks=service.tasks, by="ann", revision=nightly.revision)
    run = service.dispatcher.run_now(service.store.get("nightly"), "ann")
    pages = ["/schedules", "/audit", "/schedules/nightly", "/schedules/paused", "/schedules/pausable"]
    pages += [f"/schedules/nightly/runs/{run}", "/schedules?q=zzz", "/nothing"]
    offered = {role: set(offers(app, people_of_each_role(role), pages)) for role in ROLES}
    for role, endpoints in offered.items():
        assert all(allows(role, endpoint) for endpoint in endpoints), (role, endpoints)
    seen = offered["admin"] - {"static"}
    assert {it for it in seen if allows("viewer", it)} == offered["viewer"] - {"static"}
    assert {"runs.run_now", "runs.stop", "changes.pause", "changes.resume", "changes.unskip"} <= offered["operator"]
    assert {"changes.new", "changes.edit", "changes.delete", "changes.revert", "export.show", "audit.undo"} <= (
        offered["editor"] - offered["operator"]
    )


def offers(app: Flask, browser: Browser, pages: list[str]) -> Iterator[str]:
    """The endpoint behind every link and form of these pages."""
    adapter = app.url_map.bind("localhost")
    for path in pages:
        page = Document(browser.get(path).text)
        targets = [("GET", it["href"]) for it in page.all("a") if not it["href"].startswith("#")]
        targets += [(it.get("method", "get").upper(), it.get("action", path)) for it in page.all("form")]
        for method, target in targets:
            try:
                yield adapter.match(re.sub(r"[?#].*", "", target), method=method)[0]
            except RequestRedirect:
                yield "home"


def test_what_a_person_did_has_the_persons_name_in_the_audit_log_and_the_ledger(
    people_of_each_role: Callable[[str], Browser], nightly: Entry, service: Service
) -> None:
    operator = people_of_each_role("operator")
    operator.post("/schedules/nightly/pause", note="lunch")
    assert service.store.audit.lines(1)[0]["by"] == NAMES["operator"]
    pause = service.store.get("nightly").pause
    assert pause is not None
    assert pause.by == NAMES["operator"]
    address = operator.post("/schedules/nightly/runs", False).location
    assert NAMES["operator"] in text(operator.get(address))


def test_a_refusal_names_the_role_that_is_missing(
    people_of_each_role: Callable[[str], Browser], nightly: Entry, service: Service
) -> None:
    answer = people_of_each_role("viewer").post("/schedules/nightly/pause")
    assert answer.status_code == 403
    assert f"this needs the role operator, and {NAMES['viewer']} is viewer" in text(answer)
    assert service.store.get("nightly").pause is None


def test_a_route_that_the_table_lacks_is_the_admins_only() -> None:
    assert [role for role in ROLES if allows(role, "forgotten.route")] == ["admin"]
