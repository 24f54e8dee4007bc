"""Programs read and act through the API: the same rules, names and refusals as on the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import unescape
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from scheduler.admin.accounts import Account, hash_token, make_token, write
from scheduler.admin.service import Service
from scheduler.model import Entry
from scheduler.model.roles import ROLES
from scheduler.settings import Settings
from tests.integration.admin.browser import Browser
from tests.integration.admin.conftest import Declare

Api = Callable[..., TestResponse]


@pytest.fixture
def api(app: Flask, settings: Settings) -> Iterator[Api]:
    """Ask the API with a token of this role, an editor's if none is named."""
    tokens = {role: make_token() for role in ROLES}
    settings.accounts.parent.mkdir(exist_ok=True)
    write(settings.accounts, [Account(f"the-{role}", role, hash_token(token)) for role, token in tokens.items()])

    def ask(method: str, path: str, json: Any = None, role: str = "editor", **headers: str) -> TestResponse:
        sent = {"Authorization": f"Bearer {tokens[role]}"} | {key.replace("_", "-"): it for key, it in headers.items()}
        return app.test_client().open(f"/api/v1{path}", method=method, json=json, headers=sent, buffered=True)

    yield ask
    settings.accounts.unlink()


def refusal(answer: TestResponse) -> tuple[int, str]:
    """The status of a refusal, and the last word of its type."""
    assert answer.mimetype == "application/problem+json"
    body = answer.get_json()
    assert body["status"] == answer.status_code
    assert body["detail"]
    return answer.status_code, body["type"].rpartition(":")[2]


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("DELETE", "/runs", 405)])
def test_an_address_or_a_method_that_the_api_lacks_is_answered_with_where_all_of_them_are(
    api: Api, method: str, path: str, status: int
) -> None:
    answer = api(method, path)
    assert refusal(answer)[0] == status
    assert "/api/v1/openapi.json" in answer.get_json()["detail"]
    assert "page" not in answer.get_json()["detail"]
    assert api("GET", "/openapi.json").status_code == 200


def test_a_program_runs_a_schedule_finds_the_run_and_stops_it(api: Api, nightly: Entry, service: Service) -> None:
    made = api("POST", "/schedules/nightly/runs", {"args": [1, 2]})
    assert made.status_code == 201
    run = api("GET", made.location.removeprefix("/api/v1")).get_json()
    assert (run["id"], run["outcome"], run["by"], run["arguments"]) == (
        made.get_json()["run"],
        "queued",
        "token the-editor",
        "[[1, 2], {}]",
    )
    assert api("POST", f"/runs/{run['id']}/stop", {"note": "not now"}).get_json()["outcome"] == "stopped"
    assert [it["id"] for it in api("GET", "/runs?outcome=stopped&schedule=nightly").get_json()["items"]] == [run["id"]]
    retried = api("POST", f"/runs/{run['id']}/retry").get_json()
    assert (retried["outcome"], retried["was"]) == ("queued", "stopped")
    assert refusal(api("POST", f"/runs/{run['id']}/retry")) == (409, "refused")
    assert [line["change"] for line in service.store.audit.lines(2)] == ["retry", "stop"]


def test_a_schedule_is_created_read_replaced_and_deleted(api: Api, service: Service) -> None:
    fields = {"task": "scheduler.tasks.log_it", "every": "1h", "args": [1, 2]}
    made = api("POST", "/schedules", {"name": "hourly", "fields": fields})
    assert (made.status_code, made.location) == (201, "/api/v1/schedules/hourly")
    tag = api("GET", "/schedules/hourly").headers["ETag"]
    changed = api("PUT", "/schedules/hourly", {"fields": fields | {"every": "2h"}, "why": "load"}, If_Match=tag)
    assert changed.get_json()["fields"]["every"] == "2h"
    assert changed.headers["ETag"] != tag
    assert service.store.audit.lines(1)[0] | {"id": "", "at": 0} == {
        "id": "",
        "by": "token the-editor",
        "at": 0,
        "change": "edit",
        "schedule": "hourly",
        "before": fields,
        "after": fields | {"every": "2h"},
        "why": "load",
    }
    assert refusal(api("DELETE", "/schedules/hourly", If_Match=tag)) == (412, "changed")
    assert api("DELETE", "/schedules/hourly", If_Match=changed.headers["ETag"]).get_json() == {"deleted": "hourly"}
    assert refusal(api("GET", "/schedules/hourly")) == (404, "not-found")
    undone = api("POST", f"/audit/{service.store.audit.lines(1)[0]['id']}/undo").get_json()
    assert (undone["kind"], undone["schedule"]) == ("restore", "hourly")


def test_no_change_is_lost_that_came_between(api: Api, nightly: Entry, service: Service) -> None:
    body = {"fields": nightly.fields | {"args": [5, 5]}}
    assert refusal(api("PUT", "/schedules/nightly", body))[0] == 428
    for tag in ('"0"', '"x"', 'W/"1"', '"1", "2"', f'"{"9" * 40}"'):
        assert refusal(api("PUT", "/schedules/nightly", body, If_Match=tag)) == (412, "changed"), tag
    assert service.store.get("nightly").fields == nightly.fields
    assert (
        api("PUT", "/schedules/nightly", body, If_Match="*").get_json()["overlay"]["args"]["by"] == "token the-editor"
    )
    assert api("POST", "/schedules/nightly/revert", {"field": "args"}).get_json()["overlay"] == {}


def test_what_the_file_would_refuse_the_api_refuses_and_says_which_key(api: Api, nightly: Entry) -> None:
    answer = api("POST", "/schedules", {"name": "x", "fields": {"task": "scheduler.tasks.log_it", "evry": "1h"}})
    assert refusal(answer) == (422, "invalid")
    assert {it["field"] for it in answer.get_json()["errors"]} >= {"evry"}
    shell = {"name": "x", "fields": {"shell": "id", "every": "1h"}}
    assert refusal(api("POST", "/schedules", shell, role="admin")) == (422, "invalid")
    assert refusal(api("POST", "/schedules", {"name": "nightly", "fields": {}})) == (409, "conflict")


def test_what_redis_cannot_take_is_refused_before_anything_is_done(api: Api, nightly: Entry, service: Service) -> None:
    surrogate = "\ud800"  # JSON can say it, UTF-8 cannot
    assert refusal(api("POST", "/schedules", {"name": surrogate, "fields": nightly.fields})) == (422, "invalid")
    assert refusal(api("POST", "/bulk/operate", {"act": "pause", "names": ["nightly", surrogate]})) == (422, "invalid")
    assert service.store.get("nightly").pause is None
    assert refusal(api("GET", "/audit?cursor=0-0")) == (422, "invalid")


def test_pause_skip_and_switch(api: Api, nightly: Entry) -> None:
    paused = api("POST", "/schedules/nightly/pause", {"note": "disk", "until": "2999-01-01T00:00:00+01:00"})
    assert paused.get_json()["pause"] == {
        "by": "token the-editor",
        "at": paused.get_json()["pause"]["at"],
        "note": "disk",
        "until": "2998-12-31T23:00:00Z",
    }
    assert refusal(api("POST", "/schedules/nightly/pause", {"note": "other"})) == (409, "refused")
    again = api("POST", "/schedules/nightly/pause", {"note": "other", "replace": True})
    assert again.get_json()["pause"]["note"] == "other"
    assert api("POST", "/schedules/nightly/resume").status_code == 200
    assert api("POST", "/schedules/nightly/skip").get_json()["skip"]["by"] == "token the-editor"
    assert api("POST", "/schedules/nightly/unskip").get_json()["skip"] is None
    assert api("POST", "/schedules/nightly/disable", {"why": "holidays"}).get_json()["state"] == "disabled"
    assert api("POST", "/schedules/nightly/enable").get_json()["fields"] == nightly.fields


def test_past_due_instants_are_counted_before_they_run(api: Api, make: Declare) -> None:
    make("hourly")
    asked = {"first": "2026-01-01T00:00:00Z", "last": "2026-01-01T05:00:00Z", "dry_run": True}
    plan = api("POST", "/schedules/hourly/backfill", asked).get_json()
    assert len(plan["runs"]) == 6
    assert refusal(api("GET", "/schedules/hourly/backfill")) == (404, "not-found")
    assert api("POST", "/schedules/hourly/backfill", asked | {"dry_run": False}).status_code == 200
    assert api("POST", "/schedules/hourly/backfill/stop").get_json()["state"] == "stopped"
    assert api("POST", "/schedules/hourly/backfill/resume").get_json()["state"] == "running"


def test_the_same_key_runs_once(api: Api, nightly: Entry, service: Service) -> None:
    first, second = (api("POST", "/schedules/nightly/runs", {"args": [1, 2]}, Idempotency_Key="k") for _ in range(2))
    assert (second.status_code, second.get_json(), second.location) == (201, first.get_json(), first.location)
    assert second.headers["Idempotent-Replayed"] == "true"
    assert refusal(api("POST", "/schedules/nightly/runs", {"args": [3, 4]}, Idempotency_Key="k")) == (422, "key-reused")
    assert len(service.ledger.runs("nightly")) == 1
    # Another program's key is another key; the schedule's run is in its way.
    assert refusal(api("POST", "/schedules/nightly/runs", {"args": [1, 2]}, role="admin", Idempotency_Key="k")) == (
        409,
        "refused",
    )


def test_a_key_whose_request_got_no_answer_is_refused_rather_than_run_twice(
    api: Api, nightly: Entry, service: Service
) -> None:
    api("POST", "/schedules/nightly/runs", Idempotency_Key="k")
    [key] = service.store.client.scan_iter(match="*:idempotency:*")
    text = service.store.client.get(key)
    service.store.client.set(key, text.partition(', "status"')[0] + "}")
    assert refusal(api("POST", "/schedules/nightly/runs", Idempotency_Key="k")) == (409, "no-answer-yet")


@pytest.mark.parametrize("path", ["/runs?", "/audit?", "/schedules?", "/timeline?until=2027-01-01T00:00:00Z&"])
def test_pages_follow_each_other_without_a_gap_or_a_repetition(
    api: Api, make: Declare, service: Service, path: str
) -> None:
    for name in ("a", "b", "c", "d", "e"):
        make(name, every="10d")
        service.dispatcher.run_now(service.store.get(name), "ann")
    whole = api("GET", f"{path}limit=500").get_json()
    assert whole["next"] is None
    items: list[Any] = []
    cursor, word = "", "after" if "timeline" in path else "cursor"
    while cursor is not None:
        page = api("GET", f"{path}limit=2" + (f"&{word}={cursor}" if cursor else "")).get_json()
        items += page["items"]
        cursor = page["next"]
    assert items == whole["items"]
    assert len(items) >= 5


def test_a_body_that_is_no_json_runs_nothing(app: Flask, admin: Browser, nightly: Entry, service: Service) -> None:
    headers = {"Sec-Fetch-Site": "same-origin"}
    path = "/api/v1/schedules/nightly/runs"
    for data, kind, status in (
        ('{"args": [1,', "application/json", 400),
        ('{"args": [1, 2], "args": []}', "application/json", 400),
        ("[]", "application/json", 400),
        (b"\xff", "application/json", 400),
        ("args=1", "application/x-www-form-urlencoded", 415),
        ('{"argz": []}', "application/json", 422),
    ):
        answer = admin.client.post(path, data=data, content_type=kind, headers=headers)
        assert refusal(answer)[0] == status, data
    assert service.ledger.runs("nightly") == []


def test_a_stranger_another_site_and_a_wrong_role_get_nothing(
    app: Flask, api: Api, admin: Browser, nightly: Entry, service: Service
) -> None:
    stranger = app.test_client().get("/api/v1/schedules/nightly")
    assert refusal(stranger)[0] == 401
    assert (
        refusal(admin.client.post("/api/v1/schedules/nightly/pause", headers={"Sec-Fetch-Site": "cross-site"}))
        == (
            403,
            "about",
        )
        or service.store.get("nightly").pause is None
    )
    denied = api("POST", "/schedules/nightly/pause", role="viewer")
    assert refusal(denied)[0] == 403
    assert "this needs the role operator, and token the-viewer is viewer" in denied.get_json()["detail"]
    assert service.store.get("nightly").pause is None


@pytest.mark.parametrize("header", ["", "Token x", "Bearer", "Bearer not-one-of-ours", "Basic YWRtaW46eA=="])
def test_a_program_without_a_token_of_ours_is_told_so_also_when_it_acts(
    app: Flask, nightly: Entry, service: Service, header: str
) -> None:
    headers = {"Authorization": header} if header else {}
    answer = app.test_client().post("/api/v1/schedules/nightly/pause", json={}, headers=headers)
    assert refusal(answer)[0] == 401
    assert "send a token" in answer.get_json()["detail"]
    assert service.store.get("nightly").pause is None


def test_a_body_that_is_no_utf_8_is_named_as_that(api: Api, app: Flask, admin: Browser, nightly: Entry) -> None:
    headers = {"Sec-Fetch-Site": "same-origin"}
    path = "/api/v1/schedules/nightly/runs"
    answer = admin.client.post(path, data=b'{"args": ["\xe9"]}', content_type="application/json", headers=headers)
    assert answer.get_json()["detail"] == "The body cannot be read: it is not UTF-8."


def test_a_token_that_asks_too_often_waits_and_another_does_not(
    api: Api, nightly: Entry, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(service.settings.__dict__, "api_rate", 3)
    answers = [api("GET", "/problems") for _ in range(8)]  # a minute may begin in between
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) >= 2
    assert refusal(refused[0]) == (429, "too-many-requests")
    assert 1 <= int(refused[0].headers["Retry-After"]) <= 61
    assert api("GET", "/problems", role="viewer").status_code == 200


def test_a_read_only_page_has_a_read_only_api(
    api: Api, nightly: Entry, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(service.settings.__dict__, "read_only", True)
    assert api("GET", "/schedules/nightly").status_code == 200
    assert refusal(api("POST", "/schedules/nightly/pause", role="admin"))[0] == 403


def test_what_was_changed_on_the_page_is_written_to_the_file(api: Api, nightly: Entry, settings: Settings) -> None:
    api("PUT", "/schedules/nightly", {"fields": nightly.fields | {"args": [5, 5]}}, If_Match="*")
    patch = api("GET", "/schedules/nightly/file").get_json()
    assert "+    args: [5, 5]" in patch["patch"]
    assert refusal(api("POST", "/schedules/nightly/file", {"digest": "x"})) == (409, "conflict")
    assert api("POST", "/schedules/nightly/file", {"digest": patch["digest"]}).get_json()["written"] is True
    assert "[5, 5]" in settings.file.read_text("utf-8")


def test_many_schedules_are_paused_at_once_after_a_dry_run_and_undone_at_once(
    api: Api, make: Declare, nightly: Entry, service: Service
) -> None:
    make("other")
    names = ["nightly", "other", "gone"]
    asked = {"act": "pause", "names": names, "why": "disk", "until": "2999-01-01T00:00:00Z"}
    would = api("POST", "/bulk/operate", asked | {"dry_run": True}).get_json()
    assert would["done"] == ["nightly", "other"]
    assert service.store.get("other").pause is None
    done = api("POST", "/bulk/operate", asked).get_json()
    assert (done["done"], list(done["left"])) == (["nightly", "other"], ["gone"])
    assert {line["group"] for line in api("GET", "/audit?limit=2").get_json()["items"]} == {done["group"]}
    assert api("POST", f"/bulk/{done['group']}/undo").get_json()["done"] == ["other", "nightly"]
    assert refusal(api("POST", "/bulk/edit", {"act": "pause", "names": names})) == (422, "invalid")


def test_all_that_a_search_finds_are_acted_on_at_once(
    api: Api, make: Declare, nightly: Entry, service: Service
) -> None:
    make("a", tags=["etl"]), make("b", tags=["etl"])
    search = {"search": {"q": "queue:celery", "tag": "etl"}}
    asked = {"act": "disable", "why": "move", **search}
    assert api("POST", "/bulk/edit", asked | {"dry_run": True}).get_json()["done"] == ["a", "b"]
    assert service.store.get("a").fields.get("enabled") is None
    done = api("POST", "/bulk/edit", asked).get_json()
    assert done["done"] == ["a", "b"]
    assert {(it["why"], it["group"]) for it in service.store.audit.lines(2)} == {("move", done["group"])}
    assert api("POST", f"/bulk/{done['group']}/undo").get_json()["done"] == ["b", "a"]
    for wrong in ({}, {"names": ["a"], **search}, {"search": {"words": "x"}}):
        assert refusal(api("POST", "/bulk/operate", {"act": "pause", **wrong})) == (422, "invalid")


def test_an_admin_sees_who_is_logged_in_and_ends_a_session(api: Api, admin: Browser, service: Service) -> None:
    assert refusal(api("GET", "/sessions"))[0] == 403
    [session] = api("GET", "/sessions", role="admin").get_json()["items"]
    assert session["name"] == "admin"
    assert api("POST", f"/sessions/{session['id']}/end", role="admin").get_json() == session
    assert admin.get("/schedules", False).status_code == 302
    assert refusal(api("POST", f"/sessions/{session['id']}/end", role="admin")) == (404, "not-found")
    line = service.store.audit.lines(1)[0]
    assert (line["by"], line["change"], line["why"]) == (
        "token the-admin",
        "end session",
        "of admin",
    )


def test_the_tasks_are_listed_with_signature_and_docstring(api: Api) -> None:
    tasks = {it["name"]: it for it in api("GET", "/tasks", role="viewer").get_json()["items"]}
    log_it = tasks["scheduler.tasks.log_it"]
    assert log_it["signature"].startswith("(")
    assert log_it["doc"]
    assert (log_it["file_only"], tasks["scheduler.tasks.run_command"]["file_only"]) == (False, True)


def test_an_act_of_the_page_can_be_copied_as_curl(admin: Browser, nightly: Entry, service: Service) -> None:
    page = admin.get("/schedules/nightly").text
    assert 'curl -X POST --oauth2-bearer "$TOKEN" http://localhost/api/v1/schedules/nightly/runs</pre>' in unescape(
        page
    )
    run = service.dispatcher.run_now(nightly, "ann")
    assert f"http://localhost/api/v1/runs/{run}/stop" in unescape(admin.get(f"/schedules/nightly/runs/{run}").text)
