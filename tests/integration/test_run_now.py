"""A manual run: sent at once, recorded as manual, and nothing of the schedule moves."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from scheduler.errors import RefusedChange
from scheduler.model import Entry, Pause, read_run_id
from scheduler.sending.headers import task_id
from scheduler.storage.client import Client
from scheduler.storage.instants import from_seconds
from scheduler.storage.keys import Keys
from scheduler.storage.store import Write
from tests.support.beats import arguments, runs_sent, sent
from tests.support.schedules import NOON
from tests.support.shop import TASK, Shop


def test_run_now_is_sent_at_once_recorded_as_manual_and_moves_nothing(shop: Shop, client: Client) -> None:
    entry = shop.add()
    identity = shop.dispatcher.run_now(entry, "ann")
    assert identity.startswith("job@manual-")
    assert runs_sent(client) == [identity]
    run = shop.ledger.get(identity)
    assert (run.manual, run.by, run.outcome, run.task_id) == (True, "ann", "queued", task_id(identity))
    assert shop.store.get("job") == entry


def test_run_now_needs_no_leader(shop: Shop, client: Client, keys: Keys) -> None:
    entry = shop.add()
    client.delete(keys.lock)
    assert shop.dispatcher.run_now(entry, "ann")


def test_run_now_of_a_paused_a_disabled_or_a_finished_schedule_runs_it_once(shop: Shop, client: Client) -> None:
    for name, change in {"paused": {"pause": Pause("ann", 0.0)}, "finished": {"due": None}}.items():
        entry = shop.add(name)
        shop.store.write([Write(name, entry, replace(entry, **change))])  # type: ignore[arg-type]
        shop.dispatcher.run_now(shop.store.get(name), "ann")
    shop.dispatcher.run_now(shop.add("disabled", enabled=False), "ann")
    assert len(runs_sent(client)) == 3


def test_run_now_of_a_schedule_that_another_program_saved_works_before_beat_has_seen_it(
    shop: Shop, client: Client, keys: Keys
) -> None:
    definition = {"name": "theirs", "task": TASK, "args": [5, 6], "schedule": {"__type__": "interval", "every": 60.0}}
    client.hset(keys.entry("theirs"), "definition", json.dumps(definition))
    client.zadd(keys.schedule, {keys.entry("theirs"): 1.0})
    shop.dispatcher.run_now(shop.store.get("theirs"), "ann")
    (message,) = sent(client)
    assert arguments(message) == ([5, 6], {})


def test_run_now_works_while_beat_advances_the_schedule(shop: Shop, client: Client) -> None:
    entry = shop.add()
    shop.commit()
    shop.dispatcher.run_now(entry, "ann")
    assert len(sent(client)) == 2


def test_run_now_is_refused_while_the_run_before_goes_on(shop: Shop, client: Client) -> None:
    entry = shop.add(overlap="skip")
    shop.dispatcher.run_now(entry, "ann")
    expected = "the run before of 'job' is still queued or running: wait for it, or set overlap: allow"
    with pytest.raises(RefusedChange) as caught:
        shop.dispatcher.run_now(entry, "ann")
    assert str(caught.value) == expected
    assert len(shop.ledger.runs("job")) == len(sent(client)) == 1


def test_run_now_of_a_schedule_that_was_edited_meanwhile_is_refused(shop: Shop, client: Client) -> None:
    entry = shop.add()
    shop.store.write([Write("job", entry, replace(entry, fields=entry.fields | {"args": [3, 4]}))])
    with pytest.raises(RefusedChange, match="changed at the same time"):
        shop.dispatcher.run_now(entry, "ann")
    assert sent(client) == []


def test_run_now_of_a_damaged_schedule_says_why_not(shop: Shop) -> None:
    with pytest.raises(RefusedChange, match=r"^schedule 'job' cannot be sent: KeyError: 'task'$"):
        shop.dispatcher.run_now(Entry("job", "redbeat", {}), "ann")


def test_a_manual_run_is_due_at_the_microsecond_of_its_identity(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise its schedule's line among the failing has no error."""
    finest = (NOON.timestamp() + part / 2**22 for part in range(1000))
    between = next(at for at in finest if from_seconds(float(f"{at:.6f}")) != from_seconds(at))
    monkeypatch.setattr(time, "time", lambda: between)
    identity = shop.dispatcher.run_now(shop.add(), "ann")
    assert from_seconds(float(f"{shop.ledger.get(identity).due:.6f}")) == from_seconds(read_run_id(identity)[1])
