"""The leader says what changed: each change once, whoever leads."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from urllib.parse import quote

import pytest
import time_machine

from scheduler.alerts import teller
from scheduler.alerts.alert import Alert
from scheduler.beat.alerts import LOOK_INTERVAL_S, Look
from scheduler.changes import edit, pauses
from scheduler.model import Reason, run_id
from scheduler.settings import Settings
from scheduler.status.changed import changed, sentence
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.storage.lock import LostLock
from scheduler.storage.store import Store
from scheduler.storage.workers import Worker, report
from tests.support.looks import end, sinks, waiting
from tests.support.outputs import printed
from tests.support.schedules import NOON
from tests.support.workers import seem_to_work


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
    for name, started in (("celery@web1", time.time()), ("celery@web2", time.time()), ("celery@was-there", 1.0)):
        report(client, keys, Worker(name, time.time(), 3600.0, started=started, version="1.2"))
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


def test_a_history_of_another_kind_takes_no_alert_away(look: Look, ledger: Ledger, client: Client, keys: Keys) -> None:
    end(ledger, 0, "succeeded")
    client.set(keys.history("job"), "another program's")
    end(ledger, 1, "failed")
    look.look()
    assert waiting(client, keys) == ["job failed"]


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


def test_an_alert_that_goes_to_many_sinks_delays_no_other(
    look: Look, ledger: Ledger, client: Client, keys: Keys
) -> None:
    names = [f"sink-{number}" for number in range(10)]
    client.hset(keys.file, "alerts", json.dumps(sinks(*names) | {"rule": {"events": ["failing"]}}))
    end(ledger, 0, "failed")
    assert look.look() == LOOK_INTERVAL_S
    assert all(waiting(client, keys, name) == ["job failed"] for name in names)


def test_a_queue_without_a_worker_is_not_told_as_solved_while_no_worker_lives(
    look: Look, client: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teller, "PROBLEM_LASTS_S", 0.0)
    client.hset(keys.file, "alerts", json.dumps(sinks("ops") | {"rule": {"events": ["problem", "recovered"]}}))
    client.sadd(keys.queues, "reports")
    client.zadd(keys.sent("reports"), {run_id("other", NOON): time.time() - 60})

    def told(worker_every: float) -> list[str]:
        seem_to_work(client, keys, every=worker_every)
        look.problems_at = float("-inf")
        look.look()
        return [line for line in waiting(client, keys) if "'reports'" in line]

    assert len(told(3600.0)) == 1
    assert len(told(-3600.0)) == 1, "all workers hang"
    assert len(told(3600.0)) == 1, "they are back"
    client.delete(keys.sent("reports"))
    assert told(3600.0)[1].startswith("Solved: ")


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
