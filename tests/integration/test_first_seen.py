"""A problem that does not know when it began has the time from which the leader has seen it."""

from __future__ import annotations

import time

import pytest
import time_machine

from scheduler.beat import alerts
from scheduler.beat.alerts import Alerts, Look
from scheduler.settings import Settings
from scheduler.status.problems import problems
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.store import Store
from tests.support.polling import until

TOKEN = "the leader"
NOTE = "Worker a@b has no task 'shop.tidy'"


def since(store: Store, settings: Settings) -> float | None:
    [at] = {problem.since for problem in problems(store, settings) if problem.sentence == NOTE}
    return at


def test_a_problem_is_there_since_the_leader_saw_it_first_until_it_is_gone(
    client: Client, keys: Keys, store: Store, settings: Settings
) -> None:
    client.set(keys.lock, TOKEN)
    client.set(keys.notice("tasks"), NOTE)
    look = Look(client, settings, keys, TOKEN)
    began = time.time() + 1000
    assert since(store, settings) is None, "nobody has looked"
    with time_machine.travel(began, tick=False):
        look.look()
    look.problems_at = float("-inf")
    look.look()
    assert since(store, settings) == began
    client.delete(keys.notice("tasks"))
    look.problems_at = float("-inf")
    look.look()
    client.set(keys.notice("tasks"), NOTE)
    assert since(store, settings) is None, "it was gone, and nobody has seen it again"


def test_the_leader_sees_problems_also_while_nobody_is_to_be_told(
    client: Client, keys: Keys, store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "UNTOLD_INTERVAL_S", 0.01)
    client.set(keys.lock, TOKEN)
    client.set(keys.notice("tasks"), NOTE)
    leader = Alerts(settings, keys, TOKEN)
    leader.follow(has_rules=False)
    assert until(lambda: since(store, settings), 30, "no time of the problem")
    assert not client.exists(keys.told), "nobody was told, so a sink that is named later tells it"
    leader.close()
    assert leader.thread
    leader.thread.join(10)
    assert not leader.thread.is_alive()
