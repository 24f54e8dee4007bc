"""A schedule whose runs do not start is late or stuck, by name, until a worker takes one."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import generate_latest

from scheduler.changes import pauses
from scheduler.model import Reason, Run, run_id
from scheduler.settings import Settings
from scheduler.status import unstarted as waiting_runs
from scheduler.status.catalogue import Catalogue
from scheduler.status.metrics import Metrics
from scheduler.status.problems import queues, unstarted
from scheduler.status.problems.facts import Facts
from scheduler.status.problems.problem import ServiceProblem
from scheduler.status.read_model import Status
from scheduler.status.search import Found
from scheduler.storage import health
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.storage.queues import PRIORITY
from scheduler.storage.store import Store, Write
from tests.support.schedules import NOON, declared, entry_of
from tests.support.shop import Shop
from tests.support.workers import seem_to_work


@pytest.fixture(autouse=True)
def _a_worker(client: Client, keys: Keys) -> None:
    seem_to_work(client, keys, every=3600.0)


@pytest.fixture
def found(store: Store, settings: Settings) -> Any:
    """The sentences about queues, and about the schedules whose runs wait in them."""

    def look() -> list[ServiceProblem]:
        facts = Facts(store, settings)
        return [*queues.look(facts), *unstarted.look(facts)]

    return look


def sentences(found: list[ServiceProblem]) -> list[str]:
    return [problem.sentence for problem in found]


def wait(shop: Shop, seconds: float, name: str = "job", queue: str = "celery", **fields: Any) -> Run:
    """Send a run of a new schedule, which has waited for so long since."""
    shop.add(name, **fields | ({} if queue == "celery" or "user" in fields else {"queue": queue}))
    shop.commit(name)
    run = shop.ledger.runs(name)[0]
    age(shop, run, seconds, queue)
    return run


def age(shop: Shop, run: Run, seconds: float, queue: str = "celery") -> None:
    shop.store.client.zadd(shop.store.keys.sent(queue), {run.id: time.time() - seconds}, xx=True)


def take(shop: Shop, run: Run) -> None:
    assert shop.ledger.claim(run, "host:1", "token") == "claimed"


@pytest.mark.parametrize(
    ("fields", "limit", "shown"),
    [
        ({}, 300, "5m"),
        ({"expires": "2h"}, 7200, "2h"),
        ({"late_after": "30s"}, 30, "30s"),
        ({"expires": "2h", "late_after": "1m"}, 60, "1m"),
    ],
)
def test_a_run_that_waits_too_long_makes_its_schedule_late_until_a_worker_takes_it(
    shop: Shop, found: Any, fields: dict[str, str], limit: float, shown: str
) -> None:
    run = wait(shop, limit - 20, **fields)
    assert not any("is late" in line for line in sentences(found()))
    age(shop, run, limit + 1)
    (problem,) = found()
    assert problem.sentence == f"schedule 'job' is late: its run waits in queue 'celery' for more than {shown}"
    assert problem.subject == "job"
    assert time.time() - problem.since == pytest.approx(limit + 1, abs=10)
    assert "scheduler history job" in problem.remedy
    take(shop, run)
    assert found() == []


def test_a_queue_without_a_worker_names_the_schedules_that_are_stuck_in_it(
    shop: Shop, found: Any, store: Store, settings: Settings
) -> None:
    for number in range(12):
        wait(shop, 400 - number, f"job-{number:02}", queue="reports")
    (problem,) = found()
    names = ", ".join(f"job-{number:02}" for number in range(10))
    assert problem.sentence == (f"No worker takes from queue 'reports', where 12 runs wait (stuck: {names}, 2 more)")
    assert {it.state for it in Facts(store, settings).unstarted.schedules} == {"stuck"}


def test_a_queue_without_a_worker_says_since_when_however_many_runs_expired_there_meanwhile(
    shop: Shop, found: Any, client: Client, keys: Keys
) -> None:
    wait(shop, 60, queue="reports")
    client.zadd(keys.stuck, {"job": time.time() - 7200})
    client.sadd(keys.queues, f"reports{PRIORITY}6")
    client.zadd(keys.sent(f"reports{PRIORITY}6"), {"job@2026-03-02T12:00:00Z": time.time() - 30})
    (problem,) = found()
    assert problem.sentence == "No worker takes from queue 'reports', where 2 runs wait (stuck: job)"
    assert problem.since == pytest.approx(time.time() - 7200, abs=10)


def test_the_list_shows_finds_and_puts_first_what_is_late_or_stuck_whatever_its_newest_run_says(
    shop: Shop, store: Store, ledger: Ledger, settings: Settings
) -> None:
    wait(shop, 400, "slow")
    wait(shop, 400, "alone", queue="reports")
    wait(shop, 0, "fresh")
    shop.add("a-new-one")
    facts, view = Facts(store, settings), Catalogue(store).look()
    assert [place.name for place in Found(store, view, facts=facts).ordered("attention")][:2] == ["alone", "slow"]
    for state, name in (("stuck", "alone"), ("late", "slow")):
        assert Found(store, view, state=state, facts=facts).names == [name]
    status = Status(store, ledger)
    assert status.detail("slow").row.unstarted == facts.unstarted.schedules[0]
    said = {row.name: row.explanation for row in status.overview().rows if row.unstarted}
    assert said == {
        "alone": "no worker takes from its queue 'reports'",
        "slow": "its run waits in queue 'celery' for more than 5m",
    }
    pauses.pause(store, "alone", by="ann")
    facts, view = Facts(store, settings), Catalogue(store).look()
    assert Found(store, view, state="stuck", facts=facts).names == ["alone"], "its run waits all the same"
    [held] = status.rows(["alone"], facts)
    assert (held.unstarted in facts.unstarted.schedules, held.state, held.explanation) == (
        True,
        "paused",
        "paused by ann",
    )


def test_the_queue_of_an_account_without_its_worker_names_the_service_to_enable(shop: Shop, found: Any) -> None:
    wait(shop, 400, queue="as@backup", user="backup")
    (problem,) = found()
    assert problem.sentence == "No worker takes from queue 'as@backup', where a run waits (stuck: job)"
    assert problem.remedy == "run `systemctl enable --now celery-worker-as@backup` on its host"


def test_a_schedule_whose_run_expired_is_stuck_until_a_worker_takes_the_next(shop: Shop, found: Any) -> None:
    first = wait(shop, 0)
    shop.ledger.close(first.id, "skipped", unclaimed=True, reason=Reason.EXPIRED)
    for minute in (1, 2):
        shop.tick(minute)
        (problem,) = found()
        assert problem.sentence == "schedule 'job' is stuck: its last run expired before a worker took it"
        assert problem.since == first.due, "since the first, not the last"
        newest = shop.ledger.runs("job")[0]
        if minute == 1:
            shop.ledger.close(newest.id, "skipped", unclaimed=True, reason=Reason.EXPIRED)
    take(shop, newest)
    assert found() == []


def test_those_that_wait_longest_are_named_and_the_others_counted(shop: Shop, found: Any) -> None:
    for number in range(13):
        wait(shop, 400 + number, f"job-{number:02}")
    said = sentences(found())
    assert [line.split("'")[1] for line in said[:10]] == [f"job-{number:02}" for number in range(12, 2, -1)]
    assert said[10:] == ["3 more schedules are late"]


def test_a_removed_schedule_is_neither_late_nor_stuck(
    shop: Shop, found: Any, store: Store, client: Client, keys: Keys
) -> None:
    wait(shop, 400)
    shop.ledger.close(wait(shop, 0, "other").id, "skipped", unclaimed=True, reason=Reason.EXPIRED)
    assert len(found()) == 2
    store.write([Write(name, store.get(name), None) for name in ("job", "other")])
    assert not any(problem.subject in ("job", "other") for problem in found())
    assert health.stuck(client, keys, 10) == {}


def test_of_a_backlog_in_many_queues_the_oldest_of_each_are_read(
    store: Store, client: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting_runs, "MAX_READ", 5)
    now, names = time.time(), [f"job-{number}" for number in range(9)]
    store.write([Write(name, None, entry_of(declared(name))) for name in names])
    queues = {"short": names[:1], "long": names[1:5], "older": names[5:]}
    for queue, its in queues.items():
        client.zadd(keys.sent(queue), {run_id(name, NOON): now - 1000 - names.index(name) for name in its})
    waiting = {queue: len(its) for queue, its in queues.items()}
    found = waiting_runs.unstarted(store, waiting, frozenset(), now)
    assert [it.name for it in found.schedules] == ["job-8", "job-7", "job-4", "job-3", "job-0"]
    assert not found.is_complete


def test_a_scrape_costs_redis_the_same_beside_ten_times_as_many_waiting_runs(
    store: Store, settings: Settings, client: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting_runs, "MAX_READ", 40)
    names = [f"job-{number:02}" for number in range(90)]
    store.write([Write(name, None, entry_of(declared(name))) for name in names])
    queues = [f"queue-{number}" for number in range(8)]
    client.sadd(keys.queues, *queues)
    seem_to_work(client, keys, every=3600.0, queues=tuple(queues[:4]))
    sent = time.time() - 1000

    def work(waiting: int) -> tuple[int, int]:
        for number in range(waiting):
            run = run_id(names[number % len(names)], NOON + timedelta(seconds=number))
            client.zadd(keys.sent(queues[number % len(queues)]), {run: sent + number / 100})
        before = client.info()
        text = generate_latest(Metrics(store, settings))
        after = client.info()
        assert 'scheduler_schedules_unhealthy{health="stuck"} 20.0' in text.decode()
        assert 'scheduler_schedules_unhealthy{health="late"} 20.0' in text.decode()
        return tuple(after[key] - before[key] for key in ("total_commands_processed", "total_net_output_bytes"))

    few, many = work(200), work(2000)
    assert few[0] == many[0]
    assert many[1] < 1.05 * few[1]
