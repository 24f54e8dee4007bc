"""`pause_after_failures`: a schedule that fails again and again is paused, and a person resumes it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import scheduler
from scheduler import changes
from scheduler.model import Outcome
from scheduler.settings import Settings
from scheduler.status.problems import paused
from scheduler.status.problems.facts import Facts
from scheduler.storage import entries
from scheduler.storage.audit import AUDIT_LENGTH
from scheduler.storage.client import Client
from scheduler.storage.entries import NEVER
from scheduler.storage.keys import Keys
from tests.support.schedules import MINUTE
from tests.support.shop import Shop, claim


class Runs:
    """Sends one run after another, and ends each."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.count = 0

    def end(self, *outcomes: Outcome) -> None:
        for outcome in outcomes:
            self.shop.commit("job", at=self.shop.now + self.count * MINUTE)
            assert self.shop.ledger.close(claim(self.shop, self.count).id, outcome)
            self.count += 1


@pytest.fixture
def runs(shop: Shop) -> Runs:
    shop.add(pause_after_failures=3, overlap="skip")
    return Runs(shop)


def is_paused(shop: Shop) -> bool:
    return shop.store.get("job").pause is not None


def test_a_schedule_is_paused_when_so_many_runs_in_a_row_failed_and_not_before(shop: Shop, runs: Runs) -> None:
    runs.end("failed", "lost", "succeeded", "failed", "failed")
    assert not is_paused(shop)
    runs.end("lost")
    pause = shop.store.get("job").pause
    assert pause is not None
    assert (pause.by, pause.note, pause.until) == ("the service", "3 failures in a row", None)


def test_it_is_as_if_a_person_had_paused_it(shop: Shop, runs: Runs, client: Client, keys: Keys) -> None:
    before = shop.store.get("job")
    runs.end("failed", "failed", "failed")
    entry, stored = shop.store.get("job"), client.hgetall(keys.entry("job"))
    assert client.zscore(keys.schedule, keys.entry("job")) == NEVER
    assert json.loads(stored["definition"])["enabled"] is False
    assert not entries.was_changed_outside(stored)
    assert entry.revision > before.revision
    assert client.smembers(keys.changed) >= {"job"}
    [line] = shop.store.audit.lines(1)
    assert (line["by"], line["change"], line["why"]) == ("the service", "pause", "3 failures in a row")
    assert (line["after"], line["pause"][1]["note"]) == (entry.fields, "3 failures in a row")
    runs.shop.commit("job", at=shop.now + 9 * MINUTE)
    assert len(shop.ledger.runs("job")) == 3


def test_after_it_was_resumed_it_counts_again(shop: Shop, runs: Runs, settings: Settings) -> None:
    runs.end("failed", "failed", "failed")
    facts = Facts(shop.store, settings)
    [problem] = paused.look(facts)
    assert problem.sentence == "schedule 'job' is paused after 3 failures in a row"
    changes.resume(shop.store, "job", by="ann")
    assert not list(paused.look(facts))
    shop.now += 10 * MINUTE
    runs.end("failed", "failed")
    assert not is_paused(shop)
    runs.end("failed")
    assert is_paused(shop)


def test_the_audit_log_is_as_long_as_python_keeps_it_and_the_name_of_who_pauses_is_one() -> None:
    lua = (Path(scheduler.__file__).parent / "lua/_pause.lua").read_text("utf-8")
    assert re.findall(r"AUDIT_LENGTH = (\d+)", lua) == [str(AUDIT_LENGTH)]
    assert re.findall(r"PAUSER = '(.*)'", lua) == [paused.PAUSER]
    assert re.findall(r"NEVER = (\S+)", lua) == [str(int(NEVER))]
