"""What a person can do with one schedule and one run beyond run, pause and edit; and what a refusal offers instead."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import unquote

import pytest

from scheduler.admin import frames
from scheduler.admin.service import Service
from scheduler.changes import clock
from scheduler.model import Entry
from scheduler.schedule_file import parse
from scheduler.storage.backfills import Backfills
from scheduler.validate import validate
from tests.integration.admin.browser import Browser, Document, text
from tests.integration.admin.conftest import Declare
from tests.integration.admin.runs import run

TRACE = """Traceback (most recent call last):
  File "/usr/lib/python3/dist-packages/celery/app/trace.py", line 451, in trace_task
    R = retval = fun(*args, **kwargs)
  File "/usr/lib/python3/dist-packages/celery/app/trace.py", line 734, in __protected_call__
    return self.run(*args, **kwargs)
  File "/srv/shop/reports.py", line 12, in build
    total += row["amount"]
KeyError: 'amount'"""


def test_a_run_with_other_arguments_comes_from_a_form_of_its_signature(
    admin: Browser, service: Service, nightly: Entry
) -> None:
    page = Document(admin.get("/schedules/nightly/run").text)
    assert page.forms[-1].fields == {"arg.a": "10", "arg.b": "20"}
    answer = admin.post("/schedules/nightly/run", False, **{"arg.a": "7", "arg.b": "5"})
    assert answer.status_code == 303
    [sent] = service.ledger.runs("nightly")
    assert json.loads(sent.arguments) == [[7, 5], {}]
    again = Document(admin.get(f"/schedules/nightly/run?from={sent.id}").text)
    assert again.forms[-1].fields == {"arg.a": "7", "arg.b": "5"}
    as_json = Document(admin.get("/schedules/nightly/run?arguments=json").text)
    assert as_json.forms[-1].fields == {"args": "[10, 20]", "kwargs": ""}


@pytest.mark.parametrize(
    "value", ["", " padded ", "two\nlines", "a\rb", "7", "null", '"quoted"', "plain text", [1, "x"]]
)
def test_a_run_again_with_its_arguments_untouched_is_given_the_same(
    admin: Browser, service: Service, make: Declare, value: object
) -> None:
    make("again", args=[value, 2], overlap="allow")
    fields = Document(admin.get("/schedules/again/run").text).forms[-1].fields
    assert not {"\n", "\r"} & set(fields["arg.a"]), "a browser leaves line breaks out"
    admin.post("/schedules/again/run", **fields)
    assert json.loads(service.ledger.runs("again")[0].arguments) == [[value, 2], {}]


def test_arguments_that_are_refused_stay_in_the_form_with_the_reason(
    admin: Browser, service: Service, nightly: Entry
) -> None:
    answer = admin.post("/schedules/nightly/run", **{"arg.a": "7", "arg.b": ""})
    assert answer.status_code == 422
    assert "b is required" in text(answer)
    assert Document(answer.text).forms[-1].fields == {"arg.a": "7", "arg.b": ""}
    assert service.ledger.runs("nightly") == []


def test_a_refused_run_offers_the_run_that_is_in_its_way_on_the_same_page(
    admin: Browser, service: Service, nightly: Entry
) -> None:
    running = run(service, "nightly", clock() - timedelta(minutes=3), "running")
    answer = admin.post("/schedules/nightly/runs")
    assert answer.status_code == 409
    page = Document(answer.text)
    assert "the run before of 'nightly' is still queued or running" in page.text
    assert "Open the run that is running" in page.text
    assert any(it["href"].endswith(f"{running}/stop") for it in page.all("a"))
    assert admin.post(f"/schedules/nightly/runs/{running}/retry").status_code == 409
    late = text(admin.post(f"/schedules/nightly/runs/{running}/retry"))
    assert "is not retried: it runs: wait for its end, or stop it" in late


def test_a_skip_for_overlap_names_the_run_that_it_waited_for_as_a_link(
    admin: Browser, service: Service, nightly: Entry
) -> None:
    blocker = run(service, "nightly", clock() - timedelta(minutes=3), "running")
    row = json.loads(service.store.client.hget(service.store.keys.ledger("nightly"), blocker))
    due = clock() - timedelta(minutes=1)
    identity = f"nightly@{due.replace(tzinfo=None).isoformat()}Z"
    skipped = {"outcome": "skipped", "reason": "overlap", "due": due.timestamp(), "sent": due.timestamp()}
    key = service.store.keys.ledger("nightly")
    service.store.client.hset(key, blocker, json.dumps(row | {"sent": due.timestamp() - 60}))
    service.store.client.hset(key, identity, json.dumps(skipped))
    page = Document(admin.get(f"/schedules/nightly/runs/{identity}").text)
    assert f"/schedules/nightly/runs/{blocker}" in [link["href"] for link in page.all("a")]
    assert "It waited for the run of" in page.text


def test_a_traceback_folds_the_frames_of_libraries_and_shows_the_persons_own(
    admin: Browser, service: Service, nightly: Entry
) -> None:
    failed = {"result": "KeyError: 'amount'", "traceback": TRACE, "reason": "error"}
    identity = run(service, "nightly", clock() - timedelta(minutes=3), "failed", **failed)
    page = admin.get(f"/schedules/nightly/runs/{identity}").text
    assert "2 frames of libraries" in page
    folded = page[page.index("2 frames of libraries") : page.index("/srv/shop")]
    assert "trace_task" in folded
    assert "</details>" in folded
    assert "".join(part.text for part in frames.of(TRACE)).replace("\n", "") == TRACE.replace("\n", "")
    only_libraries = "\n".join(TRACE.splitlines()[:5])
    assert [part.is_library for part in frames.of(only_libraries)] == [False]


def test_the_page_of_a_run_that_failed_says_whether_its_schedule_still_fails(
    admin: Browser, service: Service, nightly: Entry
) -> None:
    failed = {"result": "KeyError: 'amount'", "reason": "error"}
    ids = [run(service, "nightly", clock() - timedelta(minutes=it), "failed", **failed) for it in (9, 6)]
    assert "nightly is failing: 2 in a row , since" in text(admin.get(f"/schedules/nightly/runs/{ids[0]}"))
    well = run(service, "nightly", clock() - timedelta(minutes=3))
    page = Document(admin.get(f"/schedules/nightly/runs/{ids[0]}").text)
    assert "Well again: the run of" in page.text
    assert f"/schedules/nightly/runs/{well}" in [unquote(it.get("href", "")) for it in page.all("a")]
    assert "Well again" not in text(admin.get(f"/schedules/nightly/runs/{well}"))


def test_durations_and_delays_are_a_picture_and_a_sentence(admin: Browser, service: Service, nightly: Entry) -> None:
    for minutes in (9, 6, 3):
        identity = run(service, "nightly", clock() - timedelta(minutes=minutes))
    words = "3 runs: 3 succeeded; half took at most 2.00 s, 95 % at most 2.00 s, the longest 2.00 s"
    for path in ("/schedules/nightly", f"/schedules/nightly/runs/{identity}"):
        page = Document(admin.get(path).text)
        assert words in page.text
        assert any(words in picture.get("aria-label", "") for picture in page.all("svg"))


def test_past_due_instants_are_run_from_the_page_which_shows_how_far_it_is(
    admin: Browser, service: Service, make: Declare
) -> None:
    make("hourly", cron="0 * * * *", every=None)
    hour = clock().replace(minute=0, second=0, microsecond=0)
    begin, end = hour - timedelta(hours=5, minutes=30), hour - timedelta(minutes=30)
    wanted = {"from": f"{begin:%Y-%m-%dT%H:%M}", "to": f"{end:%Y-%m-%dT%H:%M}", "only": "missed", "max_running": "2"}
    query = "&".join(f"{key}={value}" for key, value in wanted.items())
    page = admin.get(f"/schedules/hourly/backfill?{query}")
    assert "5 would run, 0 would not" in text(page)
    assert list(Backfills(service.store.client, service.store.keys).all()) == []
    answer = text(admin.post("/schedules/hourly/backfill", **wanted))
    assert "0 of 5 ended" in answer
    assert "stopped by admin" in text(admin.post("/schedules/hourly/backfill/stop"))
    assert "Under way" in text(admin.post("/schedules/hourly/backfill/resume"))
    refused = admin.post("/schedules/hourly/backfill", **wanted)
    assert refused.status_code == 422
    assert "has a running backfill" in text(refused)
    assert "no due instant of 'hourly'" in text(admin.get("/schedules/hourly/backfill?from=2099-01-01T00:00"))


def test_a_copy_is_off_and_opens_in_the_form_and_as_yaml_it_is_the_file_that_makes_it(
    admin: Browser, service: Service, nightly: Entry
) -> None:
    answer = admin.post("/schedules/nightly/duplicate", False)
    assert answer.location == "/schedules/nightly-copy/edit"
    copy = service.store.get("nightly-copy")
    assert copy.fields == nightly.fields | {"enabled": False}
    admin.post("/schedules/nightly/duplicate")
    assert "nightly-copy1" in service.store.all()
    page = admin.get("/schedules/nightly").text
    begin = page.index('aria-label="As YAML">') + len('aria-label="As YAML">')
    yaml = Document(page[begin : page.index("</pre>", begin)]).texts
    result = validate(parse("".join(yaml), "schedules.yaml"), tasks=None)
    assert not result.errors
    assert "".join(yaml).startswith("schedules:\n  nightly:\n    description: Adds two numbers every night")


def test_output_is_downloaded_as_text(admin: Browser, service: Service, nightly: Entry) -> None:
    identity = run(service, "nightly", clock() - timedelta(minutes=3))
    answer = admin.get(f"/schedules/nightly/runs/{identity}/output")
    assert (answer.status_code, answer.mimetype) == (200, "text/plain")
    assert "attachment" in answer.headers["Content-Disposition"]


def test_a_copy_that_the_page_may_not_make_is_refused_on_the_page_of_its_schedule(
    admin: Browser, service: Service, load: Callable[[str], None]
) -> None:
    load("schedules: {program: {command: [echo, x], every: 1h}}")
    answer = admin.post("/schedules/program/duplicate")
    assert answer.status_code == 422
    page = Document(answer.text)
    assert "Not duplicated: " in page.text
    assert "only the schedule file may set" in page.text
    assert any(form.action == "/schedules/program/runs" for form in page.forms)
    assert service.store.names() == ["program"]


def test_the_longest_name_can_be_copied_too(admin: Browser, service: Service, make: Declare) -> None:
    make("x" * 100)
    for _ in range(2):
        assert "is off: change it" in text(admin.post(f"/schedules/{'x' * 100}/duplicate"))
    copies = {f"{'x' * 90}-copy", f"{'x' * 90}-copy1"}
    assert {*service.store.names()} == {"x" * 100, *copies}
