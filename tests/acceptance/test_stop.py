"""A person stops a run: its body is asked, then its process is killed, and the ledger says by whom."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler import changes
from scheduler.model import Run
from tests.support.alive import is_alive
from tests.support.polling import until
from tests.support.service import Program, Service
from tests.support.worker import Shop, open_shop, running_worker

pytestmark = pytest.mark.xdist_group("runs")

TASKS = """
    import pathlib, time
    from celery import shared_task
    from celery.exceptions import SoftTimeLimitExceeded

    HERE = pathlib.Path(__file__).parent


    def begin(name):
        with (HERE / "bodies").open("a") as file:
            file.write(name + "\\n")


    @shared_task(name="stop.nap")
    def nap():
        begin("nap")
        print("half done")
        time.sleep(600)


    @shared_task(name="stop.deaf")
    def deaf():
        begin("deaf")
        while True:
            try:
                time.sleep(600)
            except SoftTimeLimitExceeded:
                (HERE / "asked").touch()


    @shared_task(name="stop.quick")
    def quick():
        begin("quick")
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("stop")
    (made / "stop_tasks.py").write_text(textwrap.dedent(TASKS))
    return made


@pytest.fixture(scope="module")
def worker(directory: Path) -> Iterator[tuple[Service, Program]]:
    with running_worker(directory, SCHEDULER_IMPORTS="stop_tasks") as running:
        yield running


@pytest.fixture
def shop(worker: tuple[Service, Program], directory: Path) -> Iterator[Shop]:
    with open_shop(*worker, directory) as opened:
        yield opened


def stop(shop: Shop, identity: str) -> Run:
    assert not changes.stop(shop.ledger, identity, by="ann", note="wrong month"), "it runs, so its worker is asked"
    return shop.ended(identity)


def begun(shop: Shop, task: str, **fields: object) -> str:
    before = shop.began(task.partition(".")[2])
    identity = shop.send(task, **fields)
    until(lambda: shop.began(task.partition(".")[2]) > before, 60, "the body began")
    return identity


@pytest.mark.parametrize("more", [{}, {"retries": 3}, {"on_lost": "rerun"}, {"timeout": "1h"}], ids=str)
def test_a_running_body_is_stopped_and_does_not_run_again(shop: Shop, more: dict[str, object]) -> None:
    run = stop(shop, begun(shop, "stop.nap", **more))
    assert (run.outcome, run.reason, run.detail) == ("stopped", "stopped", "stopped by ann: wrong month")
    assert (run.result, run.attempt) == ("", 1)
    assert run.duration
    assert shop.run("stop.quick").outcome == "succeeded", "its process serves the next run"


def test_a_body_that_does_not_end_is_killed_and_its_process_replaced(shop: Shop, directory: Path) -> None:
    run = stop(shop, begun(shop, "stop.deaf", on_lost="rerun", kill_after="5s"))
    assert (directory / "asked").exists()
    assert (run.outcome, run.detail, run.attempt) == ("stopped", "stopped by ann: wrong month", 1)
    assert shop.run("stop.quick").outcome == "succeeded"
    assert shop.began("deaf") == 1


def test_a_program_ends_with_all_that_it_started_and_its_output_is_kept(shop: Shop, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    line = f"echo half done; sleep 600 & echo $! > {pid}.new; mv {pid}.new {pid}; wait"
    identity = shop.send("scheduler.tasks.run_command", ["sh", "-c", line])
    until(pid.exists, 60, "the program runs")
    run = stop(shop, identity)
    assert (run.outcome, run.result) == ("stopped", "half done\n")
    until(lambda: not is_alive(int(pid.read_text())), 60, "the program's child is gone")


def test_one_that_no_worker_has_begun_never_runs(shop: Shop) -> None:
    # Both processes of the worker are busy, so the third waits.
    busy = [begun(shop, "stop.nap") for _ in range(2)]
    identity = shop.send("stop.quick")
    before = shop.began("quick")
    assert changes.stop(shop.ledger, identity, by="ann")
    assert shop.ledger.get(identity).outcome == "stopped"
    for one in busy:
        stop(shop, one)
    assert shop.run("stop.quick").outcome == "succeeded"
    assert shop.began("quick") == before + 1
