"""Stock RedBeat beside us: one lock, one set of entries, and never two that send."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import groupby

from redbeat import RedBeatSchedulerEntry

from scheduler.sending.headers import RUN_HEADER
from tests.chaos.accounts import reckon
from tests.chaos.service import Service
from tests.support.polling import until

STOCK = "tests.chaos.stock_app"


def senders(service: Service) -> list[str]:
    """Who sent, in the order of the queue: 'ours' or 'stock', each once for a stretch."""
    queue = [json.loads(text)["headers"] for text in reversed(service.client.lrange("celery", 0, -1))]
    return [sender for sender, _ in groupby("ours" if RUN_HEADER in headers else "stock" for headers in queue)]


def sends(service: Service, sender: str, count: int = 6) -> None:
    """Wait until the queue grew by so many messages, the last of them this one's."""
    want = service.client.llen("celery") + count
    until(
        lambda: service.client.llen("celery") >= want and senders(service)[-1] == sender, 60, f"{sender} sends nothing"
    )


def test_stock_redbeat_and_ours_never_send_together(service: Service) -> None:
    service.declare(3)
    service.load()
    ours = service.leads(service.beat())
    stock = service.start("beat", app=STOCK)
    stock.says("beat: Starting")
    sends(service, "ours", 12)
    assert "Acquired lock" not in stock.output
    ours.stop()
    stock.says("Acquired lock")
    sends(service, "stock")
    back = service.beat()
    back.says("Standing by: ")
    sends(service, "stock", 12)
    stock.stop()
    service.leads(back)
    sends(service, "ours")
    assert senders(service) == ["ours", "stock", "ours"]
    back.stop()
    service.worker()
    service.drains()
    outcomes = reckon(service)
    assert outcomes["skipped"] > 0, "what stock sent is said to be sent elsewhere"
    assert {run.reason for run in service.runs() if run.outcome == "skipped"} == {"elsewhere"}


def save_in_another_process(service: Service, name: str) -> None:
    command = [sys.executable, "-m", STOCK, name]
    subprocess.run(command, env=service.environ, cwd=os.getcwd(), check=True, timeout=60)


def test_an_entry_of_another_program_runs_each_second_and_outlives_every_beat(service: Service) -> None:
    service.declare(1)
    service.load()
    service.worker()
    save_in_another_process(service, "theirs")
    definition = service.client.hget(service.keys.entry("theirs"), "definition")
    for _ in range(2):
        service.declare(1, "more")
        beat = service.leads(service.beat())
        service.begins_with_its_ledger("theirs")
        service.goes_on(1.0)
        beat.kill()
        service.bury()
    beat = service.leads(service.beat())
    service.begins_with_its_ledger("more0")
    service.end(beat)
    assert set(reckon(service)) == {"succeeded"}
    assert service.client.hget(service.keys.entry("theirs"), "definition") == definition
    assert loaded_by_redbeat(service, "theirs").total_run_count == len(service.ledger.runs("theirs", 1000))


def loaded_by_redbeat(service: Service, name: str) -> RedBeatSchedulerEntry:
    """As a program with stock RedBeat sees it."""
    from celery import Celery

    app = Celery("reader", set_as_current=False)
    app.conf.redbeat_redis_url = service.redis.url.replace("redis+socket:", "unix:")
    found = RedBeatSchedulerEntry.from_key(service.keys.entry(name), app=app)
    app.close()
    return found
