"""The words of a search that say where to look, on the page, in the command and in the API."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

import pytest

from scheduler import changes
from scheduler.admin.service import Service
from scheduler.changes import clock
from scheduler.model import run_id
from scheduler.status import search
from scheduler.status.rows import STATES
from scheduler.status.search import FAILING, UNSTARTED
from tests.integration.admin.browser import Browser, text
from tests.integration.admin.conftest import Declare
from tests.integration.admin.runs import commit, run, set_aside
from tests.integration.admin.test_list import rows
from tests.support.shell import Shell


def test_a_word_is_looked_for_in_why_a_schedule_fails_or_is_quarantined(
    admin: Browser, service: Service, make: Declare, shell: Shell
) -> None:
    for name in ("gateway", "disk", "well", "aside", "new"):
        make(name, tags=["x"] if name == "disk" else [])
    due = clock() - timedelta(minutes=9)
    run(service, "gateway", due, "failed", result="HTTPError: 502 Bad Gateway\nat line 7")
    run(service, "disk", due, "failed", result="OSError: 502 blocks left")
    run(service, "well", due, "failed", result="HTTPError: 502 Bad Gateway")
    run(service, "well", due + timedelta(minutes=1))
    set_aside(service, "aside", "its queue is '502'")
    found = {
        "error:502": ["aside", "disk", "gateway"],
        'error:"502 bad"': ["gateway"],
        "error:502 error:http": ["gateway"],
        "error:502 tag:x": ["disk"],
        "error:line": [],
        "error:502 gate": ["gateway"],
    }
    for words, names in found.items():
        assert rows(admin, f"/schedules?sort=name&q={quote(words)}") == names, words
    assert [it["name"] for it in shell("list", "error:502 Bad", "--json").json] == ["gateway"]
    assert [it["name"] for it in shell("list", "queue:celery", "gate", "--json").json] == ["gateway"]
    assert "gateway" not in text(admin.get("/timeline?q=error:502+tag:x"))


def test_a_search_for_an_error_reads_those_that_began_to_fail_last_and_says_how_many_it_did_not(
    admin: Browser, service: Service, make: Declare, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    for minutes, name in enumerate(("newest", "newer", "old")):
        make(name, tags=["x"] if name == "old" else [])
        run(service, name, clock() - timedelta(minutes=9 + minutes), "failed", result="HTTPError: 502")
    monkeypatch.setattr(search, "MAX_ERRORS", 1)
    assert rows(admin, "/schedules?q=error:502") == ["newest"]
    for page in ("/schedules?q=error:502", "/timeline?q=error:502"):
        assert "began to fail last were read; 2 more may have it." in text(admin.get(page)), page
    assert "may have it" not in text(admin.get("/schedules?q=error:502+tag:x"))
    listed = shell("list", "error:502", "--json")
    assert [it["name"] for it in listed.json] == ["newest"]
    assert "2 more schedules may have it" in listed.err


def test_states_and_zones_are_words_of_a_search_and_mean_what_the_filter_and_the_file_say(
    admin: Browser, service: Service, make: Declare, shell: Shell
) -> None:
    for name, zone in (("ill", "Asia/Tokyo"), ("well", "America/New_York"), ("held", "UTC"), ("slow", "Asia/Seoul")):
        make(name, timezone=zone)
    due = clock() - timedelta(minutes=9)
    commit(service, service.store.get("slow"), runs=(due,))
    keys = service.store.keys
    service.store.client.zadd(keys.sent("celery"), {run_id("slow", due): due.timestamp() - 3600})
    run(service, "ill", due, "failed")
    run(service, "well", due)
    changes.pause(service.store, "held", by="admin")
    for state in (*STATES, FAILING, *UNSTARTED, "nonsense"):
        assert rows(admin, f"/schedules?q=state:{state}") == rows(admin, f"/schedules?state={state}"), state
    found = {
        "state:Failing": ["ill"],
        "state:paused": ["held"],
        "state:stuck": ["slow"],
        "state:ok state:paused": [],
        "zone:tokyo": ["ill"],
        "zone:america": ["well"],
        "zone:UTC l": ["held"],
        "zone:a state:ok": ["well"],
        "zone:nowhere": [],
    }
    for words, names in found.items():
        assert rows(admin, f"/schedules?sort=name&q={quote(words)}") == names, words
    assert [it["name"] for it in shell("list", "state:failing", "zone:Asia", "--json").json] == ["ill"]
    assert any(bar["due"] for bar in admin.json("/timeline?q=state:stuck")["load"])
    assert "No schedules match 'state:nonsense'" in text(admin.get("/schedules?q=state:nonsense"))
