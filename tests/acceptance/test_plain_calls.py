"""Celery's own calls, which no schedule sent: what becomes of one that ends its worker process."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import pytest

from tests.support.polling import until
from tests.support.worker import Shop, open_shop, running_worker

TASKS = """
    import os, pathlib, signal, time
    from celery import shared_task

    BODIES = pathlib.Path(__file__).with_name("bodies")


    @shared_task(name="plain.die")
    def die():
        with BODIES.open("a") as file:
            file.write("die\\n")
        os.kill(os.getpid(), signal.SIGKILL)


    @shared_task(name="plain.wait")
    def wait(seconds):
        with BODIES.open("a") as file:
            file.write("wait\\n")
        time.sleep(seconds)
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    directory = tmp_path_factory.mktemp("plain-calls")
    (directory / "plain.py").write_text(textwrap.dedent(TASKS))
    imports = {"SCHEDULER_IMPORTS": "plain"}
    with running_worker(directory, **imports) as (running, worker), open_shop(running, worker, directory) as shop:
        yield shop


def test_a_call_that_kills_its_process_is_given_up_after_three_times_and_everyone_is_told(shop: Shop) -> None:
    call = shop.app.send_task("plain.die").id
    until(lambda: shop.result(call).get("status") == "FAILURE", 60, "the call has failed")
    assert shop.began("die") == 3
    result = shop.result(call)
    assert result["result"]["exc_message"] == ["given up: its worker process died 3 times"]
    [problem] = [it for it in shop.store.notices().values() if "gave up" in it]
    assert f"task plain.die, id {call}" in problem
    assert shop.worker.count(f"Gave up the call {call} of plain.die: its worker process died 3 times") == 1
    assert shop.run("scheduler.tasks.log_it", 1, 2).outcome == "succeeded"
    until(lambda: not shop.client.hlen("unacked"), 30, "its message is gone")


def test_calls_that_redis_delivers_again_are_not_counted_among_the_dead(shop: Shop) -> None:
    call = shop.app.send_task("plain.wait", (1e9,)).id
    until(lambda: shop.began("wait") == 1, 30, "the body began")
    shop.client.incrby(shop.keys.deliveries(call), 2)
    shop.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    until(lambda: not shop.client.exists(shop.keys.deliveries(call)), 30, "the worker said that it returned them")
    until(lambda: shop.app.control.revoke(call, terminate=True, reply=True), 30, "the worker is back and ends the call")
    until(lambda: not shop.client.hlen("unacked"), 30, "its message is gone")
