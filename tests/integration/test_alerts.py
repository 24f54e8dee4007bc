"""The leader says what changed: each change once, whatever dies or hangs between the change and its delivery."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
import time_machine
from pydantic import BaseModel

from scheduler.alerts import teller
from scheduler.alerts.alert import Alert
from scheduler.alerts.rules import Rules
from scheduler.alerts.sinks import KINDS
from scheduler.alerts.sinks.sink import SinkFailed
from scheduler.beat import deliveries
from scheduler.beat.alerts import Look
from scheduler.beat.deliveries import Deliveries
from scheduler.changes import edit, pauses
from scheduler.model import Reason, Run, run_id
from scheduler.settings import Settings
from scheduler.status import problems
from scheduler.status.changed import changed, sentence
from scheduler.status.problems import alerts as alert_problems
from scheduler.status.problems.facts import Facts
from scheduler.storage import alerts
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.storage.lock import LostLock
from scheduler.storage.store import Store, Write
from scheduler.storage.workers import Worker, report
from tests.support.outputs import printed
from tests.support.polling import until
from tests.support.schedules import MINUTE, NOON, declared, entry_of
from tests.support.workers import seem_to_work

TOKEN = "the leader"


class Receiver:
    """A sink of the test: it keeps what it takes, refuses, or hangs."""

    class Options(BaseModel):
        """Nothing to say."""

    def __init__(self) -> None:
        self.taken: list[Alert] = []
        self.refuses = False
        self.free = threading.Event()
        self.free.set()

    def send(self, alert: Alert, _: Any) -> None:
        self.free.wait()
        if self.refuses:
            raise SinkFailed("connection refused")
        self.taken.append(alert)

    @property
    def titles(self) -> list[str]:
        return [alert.title() for alert in self.taken]


@pytest.fixture
def receivers(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Receiver]]:
    made = {"ops": Receiver(), "second": Receiver()}
    for name, receiver in made.items():
        monkeypatch.setitem(KINDS, name, receiver)
    monkeypatch.setattr(deliveries, "POLL_S", 0.02)
    monkeypatch.setattr(deliveries, "PAUSES_S", (0.05,))
    yield made
    for receiver in made.values():
        receiver.free.set()


def sinks(*names: str) -> dict[str, Any]:
    return {"sinks": {name: {name: {}} for name in names}}


@pytest.fixture
def look(client: Client, keys: Keys, settings: Settings, store: Store) -> Look:
    """The leader's looks for changes, with one sink; two schedules are there."""
    store.write([Write(name, None, entry_of(declared(name))) for name in ("job", "other")])
    client.hset(keys.file, "alerts", json.dumps(sinks("ops")))
    client.set(keys.lock, TOKEN)
    return Look(client, settings, keys, TOKEN)


def end(ledger: Ledger, minute: int, outcome: Any, name: str = "job", **more: Any) -> None:
    due = NOON + minute * MINUTE
    identity = run_id(name, due)
    ledger.claim(Run(identity, name, due.timestamp(), "running", task="t"), "host:1", "token")
    ledger.close(identity, outcome, token="token", **more)


def waiting(client: Client, keys: Keys, sink: str = "ops") -> list[str]:
    return [Alert.from_json(text).title() for text in client.lrange(keys.alert_outbox(sink), 0, -1)]


def test_a_failure_and_the_recovery_wait_in_the_outbox_once(
    look: Look, ledger: Ledger, client: Client, keys: Keys
) -> None:
    for minute in range(3):
        end(ledger, minute, "failed", reason=Reason.ERROR, result="ValueError: no rows")
    look.look()
    end(ledger, 3, "failed")
    look.look()
    end(ledger, 4, "succeeded")
    look.look()
    assert waiting(client, keys) == ["job failed", "job is well again"]
    first = Alert.from_json(client.lindex(keys.alert_outbox("ops"), 0) or "")
    assert (first.reason, first.due) == (f"{Reason.ERROR.sentence}: ValueError: no rows", NOON.timestamp())


def test_an_alert_of_a_failure_has_the_last_lines_that_the_run_printed(
    look: Look, ledger: Ledger, client: Client, keys: Keys
) -> None:
    printed(ledger, run_id("job", NOON), b"".join(b"line %d\n" % number for number in range(12)))
    end(ledger, 0, "failed", reason=Reason.ERROR, result="ValueError: no rows", traceback="Traceback")
    look.look()
    alert = Alert.from_json(client.lindex(keys.alert_outbox("ops"), 0) or "")
    assert alert.output == "\n".join([*(f"line {number}" for number in range(2, 12)), "Traceback"])


def test_an_alert_links_to_the_run_that_failed_and_one_of_many_to_the_list(
    look: Look, ledger: Ledger, client: Client, keys: Keys
) -> None:
    look.settings = replace(look.settings, admin_url="https://jobs.example")
    end(ledger, 0, "failed", name="job")
    look.look()
    for name in ("a", "b", "c/d", "e"):
        end(ledger, 0, "lost", name=name)
    look.look()
    links = [Alert.from_json(text).link for text in client.lrange(keys.alert_outbox("ops"), 0, -1)]
    assert links == [
        f"https://jobs.example/schedules/job/runs/{quote(run_id('job', NOON), safe='')}",
        "https://jobs.example/schedules",
    ]


def test_an_alert_of_a_failure_says_what_changed_since_the_schedule_was_well(
    look: Look, ledger: Ledger, client: Client, keys: Keys, store: Store
) -> None:
    end(ledger, 0, "succeeded")
    edit(store, "job", {"task": "t", "every": "1m", "args": [3]}, tasks=None, by="ann", why="a new\nreport")
    pauses.pause(store, "job", by="ann")
    pauses.resume(store, "job", by="bob")
    for name in ("celery@web1", "celery@web2"):
        report(client, keys, Worker(name, time.time(), 3600.0, started=time.time(), version="1.2"))
    end(ledger, 1, "failed")
    end(ledger, 0, "failed", name="other")
    look.look()
    first, second = (Alert.from_json(text) for text in client.lrange(keys.alert_outbox("ops"), 0, -1))
    assert [line.split(" UTC ")[1] for line in first.changes] == [
        "ann: pause",
        "bob: resume",
        "worker celery@web2 and 1 more started, release 1.2",
    ]
    assert "What changed since it was well:\n  20" in first.text()
    assert not second.changes, "it was never well"
    assert sentence(store.audit.of("job", 0, time.time(), 20)[-1]) == "ann: edit args, task (a new report)"
    assert not changed(store, "job", NOON.timestamp() + 60), "later changes are no cause"


def test_a_run_that_fails_and_one_that_succeeds_between_two_looks_are_both_said(
    look: Look, ledger: Ledger, client: Client, keys: Keys
) -> None:
    end(ledger, 0, "lost")
    end(ledger, 1, "succeeded")
    look.look()
    assert waiting(client, keys) == ["job lost a run", "job is well again"]


def test_a_thousand_schedules_that_fail_within_a_minute_are_a_handful_of_messages(
    look: Look, ledger: Ledger, client: Client, keys: Keys
) -> None:
    client.hset(keys.file, "alerts", json.dumps(sinks("ops") | {"rule": {"events": ["failing"]}}))
    next_look = 0.0
    with time_machine.travel(time.time(), tick=False) as clock:
        for second in range(100):
            for number in range(20) if second < 50 else ():
                end(ledger, 0, "failed", name=f"job-{second}-{number}")
            if second >= next_look:
                next_look = second + look.look()
            clock.shift(1)
    said = [Alert.from_json(text) for text in client.lrange(keys.alert_outbox("ops"), 0, -1)]
    assert sum(alert.count for alert in said) == 1000
    assert len(said) <= 10
    assert any(alert.title().endswith(" schedules are failing") and len(alert.subjects) == 10 for alert in said)


def test_nothing_is_written_while_all_is_well(look: Look, ledger: Ledger, client: Client, keys: Keys) -> None:
    end(ledger, 0, "succeeded")
    look.look()
    assert not client.exists(keys.health_changes, keys.told, keys.alert_outbox("ops"))


def test_a_schedule_that_no_worker_takes_is_said_under_its_name_until_one_does(
    look: Look, client: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teller, "PROBLEM_LASTS_S", 0.0)
    seem_to_work(client, keys, every=3600.0)
    client.hset(keys.file, "alerts", json.dumps(sinks("ops") | {"rule": {"events": ["late", "stuck", "recovered"]}}))
    for name, queue, age in (("job", "celery", 400), ("other", "reports", 60)):
        client.sadd(keys.queues, queue)
        client.zadd(keys.sent(queue), {run_id(name, NOON): time.time() - age})
    look.look()
    assert sorted(waiting(client, keys)) == ["job is late", "other is stuck"]
    for queue in ("celery", "reports"):
        client.delete(keys.sent(queue))
    for _ in range(2):
        look.problems_at = float("-inf")
        look.look()
    solved = [line for line in waiting(client, keys) if line.startswith("Solved: schedule ")]
    assert [line.split("'")[1] for line in sorted(solved)] == ["job", "other"]


def test_the_next_leader_says_what_the_one_before_had_no_time_for_and_nothing_twice(
    look: Look, ledger: Ledger, client: Client, keys: Keys, settings: Settings
) -> None:
    end(ledger, 0, "failed")
    look.look()
    end(ledger, 0, "failed", name="other")
    client.set(keys.lock, "another beat")
    with pytest.raises(LostLock):
        look.look()
    Look(client, settings, keys, "another beat").look()
    Look(client, settings, keys, "another beat").look()
    assert waiting(client, keys) == ["job failed", "other failed"]


def test_a_worker_that_was_given_up_and_comes_back_with_a_success_is_a_recovery(
    look: Look, ledger: Ledger, client: Client, keys: Keys
) -> None:
    end(ledger, 0, "lost")
    look.look()
    ledger.close(run_id("job", NOON), "succeeded", token="token")
    look.look()
    assert waiting(client, keys) == ["job lost a run", "job is well again"]


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
        return [problem.sentence for problem in alert_problems.look(Facts(store, settings))]

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
