"""Whatever is stored or asked for, it is shown as text and does nothing."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from celery.schedules import schedule as interval
from redbeat import RedBeatSchedulerEntry

from scheduler import changes
from scheduler.admin.service import Service
from scheduler.changes import clock
from scheduler.model.page import escape
from scheduler.sending.headers import task_id
from tests.integration.admin.browser import Browser, Document
from tests.integration.admin.conftest import Declare
from tests.integration.admin.runs import run, set_aside

pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")
PAYLOADS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "</textarea></pre></title></select><script>alert(1)</script>",
    "javascript:alert(1)",
    "`<b onclick=alert(1)>`",
    "{{ 7 * 7 }}{% raw %}",
    "<!--",
    "&lt;script&gt;",
    "\u202ertl\u2028line\x7f",
]
URLS = ("href", "src", "action", "formaction")
ALIVE = {"script", "iframe", "object", "embed", "img", "svg", "style", "base", "b", "x"}


def plain_page(browser: Browser, html: str) -> Document:
    """The page, in which no payload came alive."""
    page = Document(html)
    sources = [script["src"].partition("?")[0] for script in page.all("script")]
    assert sources in (
        ["/static/live.js", "/static/keys.js"],
        ["/static/edit.js", "/static/live.js", "/static/keys.js"],
    )
    assert all(script.keys() == {"type", "src"} for script in page.all("script"))
    assert {tag for tag, _ in page.elements} & ALIVE <= {"script", "b", "svg"}
    assert all(attributes == {} for attributes in page.all("b"))
    assert all(attributes == {"role": "img"} for attributes in page.all("svg")), "only the strips of outcomes"
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        assert "style" not in attributes
        for name in URLS:
            assert attributes.get(name, "/").startswith(("/", "#")), (tag, attributes)
            assert not attributes.get(name, "/").startswith("//")
    assert "49{" not in page.text
    return page


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_fields_of_a_schedule_are_text(admin: Browser, service: Service, make: Declare, payload: str) -> None:
    make("probe", description=payload, tags=[payload], args=[payload, {payload: 1}])
    changes.pause(service.store, "probe", by=payload, note=payload)
    for path in ("/schedules", "/schedules/probe", "/schedules/probe/edit", "/audit"):
        page = plain_page(admin, admin.get(path).text)
        seen = page.text + json.dumps([form.fields for form in page.forms], ensure_ascii=False)
        assert payload.split("\u2028")[0][-8:] in seen or json.dumps(payload)[1:-1] in seen, path
    plain_page(admin, admin.submit("/schedules/probe/edit", **{"arg.b": payload, "why": payload}).text)


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_results_errors_and_progress_are_text(admin: Browser, service: Service, make: Declare, payload: str) -> None:
    make("probe", task="scheduler.tasks.fail", args=[])
    failed = run(service, "probe", clock(), "failed", result=payload, traceback=payload * 20, reason=payload)
    make("count", task="scheduler.tasks.count_to", args=[])
    running = run(service, "count", clock(), "running")
    meta = {"current": payload, "total": 1, "message": payload}
    service.celery.backend.store_result(task_id(running), meta, "PROGRESS")
    set_aside(service, "probe", payload)
    service.store.note_file({"problems": payload, "path": payload})
    for path in (
        "/schedules",
        "/schedules/probe",
        f"/schedules/probe/runs/{failed}",
        f"/schedules/count/runs/{running}",
    ):
        plain_page(admin, admin.get(path).text)
    assert admin.get(f"/tasks/{task_id(running)}").mimetype == "application/json"


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_the_name_that_another_program_chose_is_text(admin: Browser, service: Service, payload: str) -> None:
    RedBeatSchedulerEntry(payload, payload, interval(60), args=[payload], app=service.celery).save()
    page = plain_page(admin, admin.get("/schedules").text)
    address = f"/schedules/{quote(escape(payload), safe='')}"
    assert [
        link for link in page.all("a") if link["href"].startswith("/schedules/") and link["href"] != "/schedules/new"
    ]
    answer = admin.get(address)
    assert answer.status_code == 200
    plain_page(admin, answer.text)
    plain_page(admin, admin.get(f"{address}/edit").text)
    plain_page(admin, admin.post(f"{address}/delete").text)


@pytest.mark.parametrize("payload", [*PAYLOADS, "\x00", "\r\nSet-Cookie: x=y", "%0d%0aX: y", "\ud7ff\ue000"])
def test_every_query_parameter_is_text(admin: Browser, stranger: Browser, make: Declare, payload: str) -> None:
    make("probe")
    value = quote(payload, safe="")
    paths = [f"/schedules?{key}={value}" for key in ("q", "state", "tag", "page", "format", "nonsense")]
    paths += [f"/audit?schedule={value}", f"/schedules/new?name={value}", f"/{value}", f"/schedules/{value}"]
    paths += [f"/schedules/probe/runs/{value}"]
    for path in paths:
        answer = admin.get(path)
        assert answer.status_code in (200, 404), path
        assert "x" not in [cookie for cookie, _ in answer.headers if cookie == "Set-Cookie"]
        plain_page(admin, answer.text)
    login = stranger.get(f"/login?next={value}")
    plain_page(stranger, login.text)
    assert "Set-Cookie" not in login.headers


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_everything_typed_into_a_form_comes_back_as_text(admin: Browser, make: Declare, payload: str) -> None:
    make("probe")
    for path, arguments in (("", ("arg.a", "arg.b")), ("?arguments=json", ("args", "kwargs"))):
        typed = dict.fromkeys(("timing", "timezone", "description", "why", *arguments), payload)
        answer = admin.submit(f"/schedules/probe/edit{path}", **typed)
        assert answer.status_code == 422
        page = plain_page(admin, answer.text)
        assert page.forms[-1].fields["description"] == payload.strip()
        plain_page(admin, admin.post("/schedules/probe/run", **dict.fromkeys(arguments, payload)).text)
    new = admin.submit("/schedules/new", name=payload, task="x", timing=payload)
    assert new.status_code == 422
    plain_page(admin, new.text)
    plain_page(admin, admin.post("/schedules/probe/pause", note=payload, until=payload).text)
    plain_page(admin, admin.post("/schedules/probe/overlay/delete", field=payload).text)


def test_half_a_character_of_json_breaks_no_page(admin: Browser, make: Declare) -> None:
    make("probe", kwargs={}, args=["\ud800", "x"])
    for path in ("/schedules/probe", "/schedules/probe/edit", "/audit"):
        answer = admin.get(path)
        assert answer.status_code == 200
        assert "ud800" in answer.text
    assert admin.json("/schedules/probe")["fields"]["args"] == ["\ud800", "x"]
