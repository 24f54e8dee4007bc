"""A service outside hears of each run and of this service itself, whatever hangs, and notices when they stop."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

from scheduler.alerts.rules import Rules
from scheduler.alerts.sinks import sink
from scheduler.beat import pings as pinging
from scheduler.beat.pings import Pings
from scheduler.changes import check, facts
from scheduler.model import Outcome, Reason
from scheduler.settings import Settings
from scheduler.status.problems import pings as ping_problems
from scheduler.status.problems.facts import Facts
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.store import Store
from tests.support.outputs import printed
from tests.support.polling import until
from tests.support.receivers import Web, serving
from tests.support.schedules import MINUTE
from tests.support.shop import Shop, claim

TOKEN = "ours"
SECRET = "squirrel-7"


@pytest.fixture
def outside() -> Iterator[Web]:
    with serving(Web()) as made:
        yield made


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pinging, "POLL_S", 0.02)
    monkeypatch.setattr(pinging, "PAUSES_S", (0.05,))
    monkeypatch.setenv("PING_KEY", SECRET)


@pytest.fixture
def pings(settings: Settings, keys: Keys, client: Client) -> Iterator[Pings]:
    client.set(keys.lock, TOKEN)
    with Pings(settings, keys, TOKEN) as made:
        yield made


def rules(**addresses: str) -> Rules:
    return Rules(pings={name.replace("service", ""): address for name, address in addresses.items()})


def heard(web: Web) -> list[str]:
    return [path for path, _, _ in list(web.taken)]


def test_each_run_pings_its_start_and_its_end_with_the_run_and_the_last_lines(
    shop: Shop, pings: Pings, outside: Web, client: Client, keys: Keys
) -> None:
    address = "${PING_KEY}"
    shop.add(ping=f"{outside.url}/{address}/job?a=1")
    outcomes: tuple[Outcome, ...] = ("succeeded", "failed")
    for minute, outcome in enumerate(outcomes):
        shop.commit(at=shop.now + minute * MINUTE, token=TOKEN)
        run = claim(shop, minute).id
        printed(shop.ledger, run, b"one\ntwo\x1b\n")
        shop.ledger.close(run, outcome, reason=Reason.ERROR if minute else None, result="no rows", traceback="é" * 2000)
    ids = [shop.ledger.get(run.id).task_id for run in shop.ledger.runs("job")][::-1]
    pings.follow(rules(job=f"{outside.url}/{address}/job?a=1"), is_well=True)
    until(lambda: len(outside.taken) == 4, 20, "all pings arrive")
    assert heard(outside) == [
        f"/{SECRET}/job/start?a=1&rid={ids[0]}",
        f"/{SECRET}/job?a=1&rid={ids[0]}",
        f"/{SECRET}/job/start?a=1&rid={ids[1]}",
        f"/{SECRET}/job/fail?a=1&rid={ids[1]}",
    ]
    body = outside.taken[3][2].decode()
    assert body.startswith(f"{Reason.ERROR.sentence}\nno rows\né")
    assert body.endswith("é\none\ntwo\\x1b")
    assert outside.taken[0][2] == b""
    until(lambda: not client.exists(keys.pings), 10, "the outbox is empty")


def test_a_lost_run_pings_fail_and_one_that_comes_back_succeeds(
    shop: Shop, pings: Pings, outside: Web, client: Client, keys: Keys
) -> None:
    shop.add(ping=outside.url)
    shop.commit(token=TOKEN)
    run = claim(shop).id
    shop.ledger.close(run, "lost")
    shop.ledger.close(run, "succeeded", token="token")
    pings.follow(rules(job=outside.url), is_well=True)
    until(lambda: len(outside.taken) == 3, 20, "all pings arrive")
    assert [path.partition("?")[0] for path in heard(outside)] == ["/start", "/fail", "/"]


def test_a_schedule_without_ping_costs_nothing(shop: Shop, client: Client, keys: Keys) -> None:
    shop.add()
    shop.commit(token=TOKEN)
    shop.ledger.close(claim(shop).id, "failed")
    assert not client.exists(keys.pings)


def test_a_host_that_hangs_delays_no_other_and_is_a_problem(
    shop: Shop, pings: Pings, outside: Web, settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sink, "SEND_TIMEOUT_S", 0.5)
    with serving(Web()) as hangs:
        hangs.slow = threading.Event()
        shop.add(ping=hangs.url)
        shop.add("other", ping=outside.url)
        shop.commit("job", "other", token=TOKEN)
        claim(shop, 0)
        claim(shop, 1)
        pings.follow(rules(job=hangs.url, other=outside.url), is_well=True)
        until(lambda: outside.taken, 20, "the other one hears")

        def problems() -> list[str]:
            return [problem.sentence for problem in ping_problems.look(Facts(store, settings))]

        store.note_file({"alerts": json.dumps({"pings": {"job": hangs.url}})})
        until(lambda: any("'job'" in line and "no answer" in line for line in problems()), 20, "a problem")
        hangs.slow.set()
        until(lambda: problems() == [], 20, "it is heard after all")
    assert any(path.startswith("/start") for path in heard(hangs))


def test_an_address_that_the_host_does_not_know_is_given_up_without_its_path(
    shop: Shop, pings: Pings, settings: Settings, store: Store, client: Client, keys: Keys
) -> None:
    with serving(Web(404)) as outside:
        shop.add(ping=f"{outside.url}/{SECRET}")
        shop.commit(token=TOKEN)
        claim(shop)
        pings.follow(rules(job=f"{outside.url}/{SECRET}"), is_well=True)
        until(lambda: bool(client.exists(keys.failed_pings)) and not client.exists(keys.pings), 20, "it is given up")
    store.note_file({"alerts": json.dumps({"pings": {"job": ""}})})
    (problem,) = ping_problems.look(Facts(store, settings))
    assert problem.sentence == "Pings of schedule 'job' do not arrive: 127.0.0.1 answered 404"


def test_the_service_pings_once_a_minute_while_it_is_well(pings: Pings, outside: Web) -> None:
    addresses = rules(service=f"{outside.url}/scheduler")
    pings.follow(addresses, is_well=False)
    for _ in range(3):
        pings.follow(addresses, is_well=True)
    until(lambda: len(outside.taken) == 1, 20, "it pings")
    pings.service_at -= pinging.SERVICE_PERIOD_S
    until(lambda: not pings.busy, 10, "that ping is done")
    pings.follow(addresses, is_well=True)
    until(lambda: len(outside.taken) == 2, 20, "it pings again")
    assert heard(outside) == ["/scheduler", "/scheduler"]


def test_a_beat_that_lost_the_lock_pings_no_more(
    shop: Shop, pings: Pings, outside: Web, client: Client, keys: Keys
) -> None:
    client.set(keys.lock, "another beat")
    shop.add(ping=outside.url)
    pings.follow(rules(job=outside.url), is_well=False)
    assert pings.thread
    pings.thread.join(20)
    assert not pings.thread.is_alive()


def test_the_leader_finds_every_address_of_the_file_in_redis(settings: Settings) -> None:
    settings.file.write_text(
        'ping: "https://hc.example/${KEY}"\n'
        "schedules: {job: {task: scheduler.tasks.log_it, args: [1, 2], every: 1h, ping: 'https://hc.example/job'}}\n"
    )
    checked = check(settings.file, {"scheduler.tasks.log_it": None})
    assert json.loads(facts.alert_facts(checked)["alerts"])["pings"] == {
        "": "https://hc.example/${KEY}",
        "job": "https://hc.example/job",
    }
