"""A problem that does not know when it began has the time from which the leader has seen it."""

from __future__ import annotations

import time

import pytest
import time_machine

from scheduler.beat import alerts
from scheduler.beat.alerts import Alerts, Look
from scheduler.settings import Settings
from scheduler.status.problems import dated, note_first_seen, problems, with_kinds
from scheduler.status.problems.facts import Facts
from scheduler.status.problems.problem import ServiceProblem
from scheduler.storage.client import Client
from scheduler.storage.first_seen import first_seen
from scheduler.storage.keys import Keys
from scheduler.storage.store import Store
from tests.support.polling import until

TOKEN = "the leader"
NOTE = "The broker refuses the connection"


def since(store: Store, settings: Settings) -> float | None:
    [at] = {problem.since for problem in problems(store, settings) if problem.sentence == NOTE}
    return at


def test_a_problem_is_there_since_the_leader_saw_it_first_until_it_is_gone(
    client: Client, keys: Keys, store: Store, settings: Settings
) -> None:
    client.set(keys.lock, TOKEN)
    client.set(keys.notice("broker"), NOTE)
    look = Look(client, settings, keys, TOKEN)
    began = time.time() + 1000
    assert since(store, settings) is None, "nobody has looked"
    with time_machine.travel(began, tick=False):
        look.look()
    look.problems_at = float("-inf")
    look.look()
    assert since(store, settings) == began
    client.delete(keys.notice("broker"))
    look.problems_at = float("-inf")
    look.look()
    client.set(keys.notice("broker"), NOTE)
    assert since(store, settings) is None, "it was gone, and nobody has seen it again"


def test_a_problem_is_known_for_longer_than_its_record_is_kept_without_a_leader(
    client: Client, keys: Keys, store: Store, settings: Settings
) -> None:
    client.set(keys.lock, TOKEN)
    client.set(keys.notice("broker"), NOTE)
    look = Look(client, settings, keys, TOKEN)
    look.look()
    began = since(store, settings)
    client.expire(keys.problems, 60)
    look.problems_at = float("-inf")
    look.look()
    assert client.ttl(keys.problems) > 60
    assert since(store, settings) == began


def test_what_only_live_workers_can_answer_keeps_its_time_while_all_of_them_hang(
    client: Client, keys: Keys, store: Store, settings: Settings
) -> None:
    client.set(keys.lock, TOKEN)
    client.hset(keys.problems, mapping={"queues:workers:start one": "12.5", "disk:redis:run x": "13.5"})
    Look(client, settings, keys, TOKEN).look()
    assert "queues:workers:start one" in first_seen(client, keys)
    assert "disk:redis:run x" not in first_seen(client, keys)


def test_two_problems_of_one_kind_have_a_time_each(settings: Settings, store: Store) -> None:
    facts = Facts(store, settings)
    one, two = (ServiceProblem("Redis …", "check its log", subject="redis", part=part) for part in ("log", "dump"))
    note_first_seen(facts, [("disk", one)])
    later = Facts(store, settings)
    later.now += 5
    note_first_seen(later, [("disk", one), ("disk", two)])
    assert [dated(Facts(store, settings), "disk", it).since for it in (one, two)] == [facts.now, later.now]


def test_who_reads_with_another_command_or_from_another_host_reads_the_same_time(
    client: Client, keys: Keys, store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.zadd(keys.failing, {f"job-{number}": 1000.0 for number in range(30)})
    monkeypatch.setenv("SCHEDULER_STARTED_AS", "python3 -m scheduler")
    facts = Facts(store, settings)
    note_first_seen(facts, with_kinds(facts))
    monkeypatch.setenv("SCHEDULER_STARTED_AS", ".venv/bin/scheduler")
    more = [it for kind, it in with_kinds(Facts(store, settings)) if kind == "failing" and "more" in it.sentence]
    assert [it.since for it in more] == [facts.now]
    assert ".venv/bin/scheduler" in more[0].remedy


def test_the_leader_sees_problems_also_while_nobody_is_to_be_told(
    client: Client, keys: Keys, store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "UNTOLD_INTERVAL_S", 0.01)
    client.set(keys.lock, TOKEN)
    client.set(keys.notice("broker"), NOTE)
    leader = Alerts(settings, keys, TOKEN)
    leader.follow(has_rules=False)
    assert until(lambda: since(store, settings), 30, "no time of the problem")
    assert not client.exists(keys.told), "nobody was told, so a sink that is named later tells it"
    leader.close()
    assert leader.thread
    leader.thread.join(10)
    assert not leader.thread.is_alive()
