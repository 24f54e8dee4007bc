"""Sinks that hang, refuse or lose their connection: no alert is lost, and a person learns of it."""

from __future__ import annotations

import json

import pytest

from scheduler.alerts import teller
from scheduler.alerts.alert import Alert
from scheduler.alerts.rules import Rules
from scheduler.beat import deliveries
from scheduler.beat.alerts import Look
from scheduler.beat.deliveries import Deliveries
from scheduler.command_name import command_name
from scheduler.settings import Settings
from scheduler.status import problems
from scheduler.status.problems import alerts as alert_problems
from scheduler.status.problems.facts import Facts
from scheduler.storage import alerts
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.storage.store import Store
from tests.support.looks import TOKEN, Receiver, end, sinks, waiting
from tests.support.polling import until


def test_a_sink_that_hangs_or_refuses_delays_no_other_and_is_a_problem_itself(
    look: Look,
    ledger: Ledger,
    client: Client,
    keys: Keys,
    settings: Settings,
    store: Store,
    receivers: dict[str, Receiver],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deliveries, "ANSWER_TIMEOUT_S", 0.1)
    client.hset(keys.file, "alerts", json.dumps(sinks("ops", "second")))
    receivers["ops"].free.clear()
    end(ledger, 0, "failed")
    look.look()

    def lines() -> list[str]:
        found = list(alert_problems.look(Facts(store, settings)))
        assert all(f"`{command_name()} alerts test ops`" in problem.remedy for problem in found)
        return [problem.sentence for problem in found]

    with Deliveries(settings, keys, TOKEN) as running:
        assert look.teller
        running.follow(look.teller.rules)
        until(lambda: receivers["second"].titles == ["job failed"], 10, "the other sink is told")
        until(lambda: any("'ops': it did not answer" in line or "hangs" in line for line in lines()), 10, "a line")
        receivers["ops"].refuses = True
        receivers["ops"].free.set()
        until(lambda: any("connection refused" in line for line in lines()), 10, "the reason")
        receivers["ops"].refuses = False
        until(lambda: receivers["ops"].titles == ["job failed"], 10, "it is told after all")
        until(lambda: lines() == [], 10, "no line")
    assert alerts.sink_states(client, keys)["second"].sent == 1


def test_a_sink_that_refuses_is_told_once_through_the_others_and_so_is_its_recovery(
    look: Look, client: Client, keys: Keys, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teller, "PROBLEM_LASTS_S", 0.0)
    monkeypatch.setattr(problems, "KINDS", (alert_problems,))
    client.hset(keys.file, "alerts", json.dumps(sinks("ops", "second")))

    def told(sink: str, *failing: str) -> list[str]:
        for name in ("ops", "second"):
            since = 100.0 if name in failing else 0.0
            alerts.settle(client, keys, name, None, alerts.SinkState(since=since, error="connection refused"))
        for _ in range(2):
            look.problems_at = float("-inf")
            look.look()
        return [line.split(":")[0] for line in waiting(client, keys, sink) if "sink" in line]

    assert (told("ops", "ops"), told("second", "ops")) == ([], ["Alerts do not reach the sink 'ops'"])
    look = Look(client, settings, keys, TOKEN)
    both = [told(sink, "ops", "second") for sink in ("ops", "second")]
    assert both == [["Alerts do not reach the sink 'second'"], ["Alerts do not reach the sink 'ops'"]]
    well = [told(sink) for sink in ("ops", "second")]
    assert [lines[1:] for lines in well] == [["Solved"], ["Solved"]]


def test_an_alert_that_no_sink_took_for_a_day_is_given_up_visibly(
    client: Client, keys: Keys, settings: Settings, store: Store, receivers: dict[str, Receiver]
) -> None:
    client.set(keys.lock, TOKEN)
    client.hset(keys.file, "alerts", json.dumps(sinks("ops")))
    client.rpush(keys.alert_outbox("ops"), Alert("1", "failing", "warning", "job", 0.0).to_json())
    receivers["ops"].refuses = True
    with Deliveries(settings, keys, TOKEN) as running:
        running.follow(Rules.from_json(json.dumps(sinks("ops"))))
        until(lambda: not client.exists(keys.alert_outbox("ops")), 10, "the outbox is empty")
        until(lambda: alerts.sink_states(client, keys)["ops"].given_up == 1, 10, "it counts")
    (problem,) = alert_problems.look(Facts(store, settings))
    assert "1 alert was given up" in problem.sentence
    client.hset(keys.file, "alerts", json.dumps(sinks("second")))
    assert not list(alert_problems.look(Facts(store, settings))), "of a sink that left the file nothing is said"


def test_alerts_go_out_when_redis_drops_every_connection(
    look: Look, ledger: Ledger, client: Client, keys: Keys, settings: Settings, receivers: dict[str, Receiver]
) -> None:
    with Deliveries(settings, keys, TOKEN) as running:
        running.follow(Rules.from_json(json.dumps(sinks("ops"))))
        client.client_kill_filter(_type="normal", skipme=True)
        end(ledger, 0, "failed")
        look.look()
        until(lambda: receivers["ops"].titles == ["job failed"], 10, "told")
