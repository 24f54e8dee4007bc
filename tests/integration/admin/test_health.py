"""The health of the service as the page tells it: the same problems as everywhere, and each part."""

from __future__ import annotations

import json
import re
import time
from urllib.parse import unquote

import pytest

from scheduler.admin.service import Service
from scheduler.model import Entry
from scheduler.storage.workers import Worker, report
from tests.integration.admin.browser import Browser, text
from tests.integration.admin.runs import lead
from tests.support.health import quarantine


@pytest.fixture
def served(service: Service, nightly: Entry) -> Service:
    """A beat and a worker of the queue `celery`; `nightly` names the queue `reports`, in which a run waits."""
    store = service.store
    lead(service)
    report(store.client, store.keys, Worker("celery@web1", time.time(), 60.0, ("celery",), slots=4, busy=1))
    store.client.zadd(store.keys.sent("reports"), {"nightly@2026-03-01T02:30:00Z": time.time() - 600})
    store.client.zadd(store.keys.sent("reports\x06\x163"), {"nightly@2026-03-02T02:30:00Z": time.time() - 60})
    store.client.sadd(store.keys.queues, "reports", "reports\x06\x163")
    return service


def test_each_part_of_the_service_is_told_also_to_programs(served: Service, admin: Browser) -> None:
    health = admin.json("/health")
    assert health["problems"] == admin.get("/readyz").get_json()["problems"]
    assert health["headline"] == "No worker takes from queue 'reports'"
    assert health["beat"]["lease_age"] >= 0
    (worker,) = health["workers"]
    assert (worker["name"], worker["slots"], worker["busy"], worker["silent"]) == ("celery@web1", 4, 1, False)
    stuck, default = health["queues"]
    assert (stuck["name"], stuck["waiting"], stuck["workers"], stuck["schedules"]) == ("reports", 2, [], ["nightly"])
    found = admin.json("/schedules?q=queue:reports")["schedules"]
    assert stuck["schedule_count"] == len(found), "the name of the queue leads to them"
    assert (default["name"], default["waiting"], default["workers"]) == ("celery", 0, ["celery@web1"])
    assert health["redis"]["version"]


def test_the_page_shows_every_problem_with_its_remedy(served: Service, admin: Browser) -> None:
    quarantine(served.store, "nightly", "it is broken")
    shown = text(admin.get("/health"))
    assert "Service: 1 quarantined · 1 stuck" in shown
    for problem in admin.get("/readyz").get_json()["problems"]:
        assert problem["sentence"][1:] in shown
        assert problem["remedy"].replace("`", "")[1:] in shown


def test_the_page_names_the_runs_that_have_the_places_of_a_group_and_those_that_wait(
    served: Service, admin: Browser
) -> None:
    assert 'id="groups"' not in admin.get("/health").text
    store = served.store
    store.note_file({"groups": json.dumps({"warehouse": 2})})
    nightly = [f"nightly@2026-03-0{day}T02:30:00Z" for day in range(1, 8)]
    store.client.zadd(store.keys.group("warehouse"), {nightly[0]: time.time() - 900, nightly[1]: time.time() - 800})
    store.client.zadd(
        store.keys.group_queue("warehouse"), {it: time.time() - 600 + i for i, it in enumerate(nightly[2:])}
    )
    page = admin.get("/health")
    (row,) = re.findall(r"<tr[^>]*>\s*<th[^>]*>warehouse</th>.*?</tr>", page.text, re.DOTALL)
    assert "2 of 2" in row
    assert "min ago" in row
    assert "and 2 more" in row
    links = re.findall(r'href="([^"]+)"', row)
    assert [unquote(link) for link in links] == [f"/schedules/nightly/runs/{it}" for it in nightly[:5]]
    (group,) = admin.json("/health")["groups"]
    assert (group["running"], [*group["waiting"]]) == (nightly[:2], nightly[2:])


def test_what_stops_every_run_is_named_before_what_fails(served: Service, admin: Browser) -> None:
    quarantine(served.store, "nightly", "it is broken")
    served.store.client.delete(served.store.keys.lock)
    assert admin.json("/health")["headline"] == "No beat leads"
    assert "Service: No beat leads · 2 more" in text(admin.get("/schedules"))


def test_a_stranger_learns_nothing(served: Service, stranger: Browser) -> None:
    assert "/login" in stranger.get("/health", False).headers["Location"]
    assert "<title>Log in" in stranger.get("/login").text
