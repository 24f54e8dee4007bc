"""A schedule that is expected to fail: the file says so, no alert is sent, and it is no problem."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scheduler import changes
from scheduler.beat.alerts import Look
from scheduler.settings import Settings
from scheduler.status.problems.facts import Facts
from scheduler.storage import health
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.storage.store import Store
from tests.integration.admin.browser import Browser, Document, text
from tests.integration.admin.test_failing import fail, sentences
from tests.support.shell import Shell

NAMES = ("flaky", "known", "third")


def load(path: Path, store: Store, **alerts: str) -> None:
    lines = [
        f"  {name}: {{task: scheduler.tasks.fail, args: [x], every: 1h, alerts: {alerts.get(name, '{failures: 1}')}}}"
        for name in NAMES
    ]
    path.write_text("\n".join(["alerts: {sinks: {ops: {command: [x]}}}", "schedules:", *lines, ""]))
    changes.apply(store, changes.check(path, None), by="ann")


@pytest.fixture
def path(tmp_path: Path, store: Store) -> Path:
    made = tmp_path / "schedules.yaml"
    load(made, store, flaky="{off: the supplier is down}", known="{off: until May}")
    return made


def test_it_is_neither_named_nor_counted_until_the_file_says_otherwise(
    path: Path, shell: Shell, store: Store, ledger: Ledger, admin: Browser, settings: Settings
) -> None:
    for minute, name in enumerate(NAMES):
        fail(ledger, name, minute)
    assert [sentence.partition(":")[0] for sentence in sentences(shell, admin)] == ["schedule 'third' is failing"]
    total, worst = health.failing(store.client, store.keys, 1, Facts(store, settings).expected_to_fail)
    assert (total, [one.name for one in worst]) == (1, ["third"])
    load(path, store, known="{off: until May}")
    named = [sentence.partition(":")[0] for sentence in sentences(shell, admin)]
    assert named == ["schedule 'flaky' is failing", "schedule 'third' is failing"]


def test_the_list_says_that_it_is_expected_and_alarms_for_the_others_alone(
    path: Path, ledger: Ledger, admin: Browser
) -> None:
    assert 'chip calm" href="/schedules"' in admin.get("/schedules?state=failing").text, "0 failing is no alarm"
    for minute, name in enumerate(NAMES[:2]):
        fail(ledger, name, minute)
    tone = re.compile(r'chip (\w+)" href="/schedules\?state=failing"')
    page = admin.get("/schedules")
    assert "2 expected failures" in text(page)
    assert Document(page.text.partition("<table")[2]).text.count("expected failure") == 2
    assert tone.findall(page.text) == ["calm"]
    assert "chip bad" not in page.text.partition("<table")[2]
    fail(ledger, "third", 3)
    page = admin.get("/schedules")
    assert "1 failing 2 expected failures" in text(page)
    assert re.search(r"since [^,]+, [^,]+ ago schedule 'third' is failing", text(page))
    assert tone.findall(page.text) == ["bad", "calm"]
    assert page.text.partition("<table")[2].count("chip bad") == 1


def test_the_page_of_a_failed_run_says_so_in_grey(path: Path, ledger: Ledger, admin: Browser) -> None:
    for name in NAMES:
        fail(ledger, name, 1)
    tones = {}
    told = {"flaky": "This is an expected failure (the supplier is down).", "third": "third is failing, since"}
    for name, words in told.items():
        [run] = ledger.runs(name)
        page = admin.get(f"/schedules/{name}/runs/{run.id}")
        assert words in " ".join(text(page).split())
        tones[name] = re.findall(r'chip (\w+)" ?>failed', page.text)
    assert tones == {"flaky": ["calm"], "third": ["bad"]}


def test_it_sends_no_alert(path: Path, client: Client, keys: Keys, ledger: Ledger, settings: Settings) -> None:
    client.set(keys.lock, "the leader")
    for minute, name in enumerate(NAMES):
        fail(ledger, name, minute)
    Look(client, settings, keys, "the leader").look()
    (alert,) = client.lrange(keys.alert_outbox("ops"), 0, -1)
    assert '"third"' in alert


def test_an_edit_on_the_page_keeps_it(path: Path, store: Store, admin: Browser) -> None:
    admin.submit("/schedules/flaky/edit", description="prices of the supplier")
    fields = store.all()["flaky"].fields
    assert fields["description"] == "prices of the supplier"
    assert fields["alerts"] == {"off": "the supplier is down"}
