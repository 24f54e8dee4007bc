"""A message that comes back after the record of its run was trimmed runs nothing; any other without a record does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from scheduler.model import Run, read_run_id, run_id
from scheduler.settings import Settings
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from tests.support.schedules import NOON

KEPT = 3


@pytest.fixture
def few(client: Client, keys: Keys, settings: Settings) -> Ledger:
    """A ledger that keeps few runs."""
    return Ledger(client, keys, replace(settings, keep_runs=KEPT))


def at(minute: int) -> str:
    return run_id("job", NOON + timedelta(minutes=minute))


def claim(ledger: Ledger, identity: str, *, redelivered: bool = False) -> str:
    name, due = read_run_id(identity)
    run = Run(identity, name, due, "running", task="reports.build")
    return ledger.claim(run, "worker", identity, redelivered=redelivered)


def work(ledger: Ledger, *minutes: int) -> None:
    for minute in minutes:
        assert claim(ledger, at(minute)) == "claimed"
        ledger.close(at(minute), "succeeded")


def test_a_message_that_comes_back_for_a_trimmed_run_runs_nothing(few: Ledger) -> None:
    work(few, *range(20))
    assert at(0) not in {run.id for run in few.runs("job", 100)}
    assert claim(few, at(0), redelivered=True) == "forgotten"
    assert at(0) not in {run.id for run in few.runs("job", 100)}


def test_a_message_that_comes_back_for_a_run_on_record_meets_its_record(few: Ledger) -> None:
    work(few, *range(20))
    assert claim(few, at(19), redelivered=True) == "succeeded"


def test_a_message_that_comes_back_before_its_run_began_runs_it(few: Ledger) -> None:
    work(few, *range(20))
    assert claim(few, at(30), redelivered=True) == "claimed"


def test_a_message_that_comes_for_the_first_time_runs_also_when_it_is_late(few: Ledger) -> None:
    work(few, *range(20))
    assert claim(few, at(0)) == "claimed"


def test_nothing_is_forgotten_before_anything_was_trimmed(few: Ledger) -> None:
    work(few, 1, 2)
    assert claim(few, at(0), redelivered=True) == "claimed"
