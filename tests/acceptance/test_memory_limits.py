"""`max_memory`: a run that uses more is ended and says so, and what runs leave behind does not pile up."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.alive import is_alive
from tests.support.polling import until
from tests.support.service import Program, Service
from tests.support.worker import Shop, open_shop, running_worker

pytestmark = pytest.mark.xdist_group("memory")

TASKS = """
    import os, pathlib, time
    from celery import shared_task

    LEFT = []
    HERE = pathlib.Path(__file__).parent


    def note(name):
        with (HERE / "bodies").open("a") as file:
            file.write(f"{name}\\n")


    @shared_task(name="memory.take")
    def take(megabytes):
        note("take")
        LEFT.append(b"x" * (megabytes * 1_000_000))
        time.sleep(600)


    @shared_task(name="memory.leak")
    def leak():
        note(f"leak in {os.getpid()}")
        LEFT.append(b"x" * 10_000_000)
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("memory")
    (made / "memory_tasks.py").write_text(textwrap.dedent(TASKS))
    return made


@pytest.fixture(scope="module")
def worker(directory: Path) -> Iterator[tuple[Service, Program]]:
    with running_worker(directory, SCHEDULER_IMPORTS="memory_tasks") as running:
        yield running


@pytest.fixture
def shop(worker: tuple[Service, Program], directory: Path) -> Iterator[Shop]:
    with open_shop(*worker, directory) as opened:
        yield opened


def test_a_body_that_uses_more_is_killed_and_its_slot_takes_the_next_run(shop: Shop) -> None:
    run = shop.run("memory.take", 300, max_memory="100MB", retries=2, on_lost="rerun")
    assert (run.outcome, run.reason, run.attempt) == ("failed", "memory limit", 1)
    assert run.result.startswith("it used ")
    assert run.result.endswith(" MB, more than its max_memory of 100 MB")
    for _ in range(2):
        assert shop.ended(shop.send("memory.leak", max_memory="100MB"), 10).outcome == "succeeded"
    assert shop.began("take") == 1


def test_a_program_is_killed_with_all_that_it_started_which_count_together(shop: Shop, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    take = "python3 -c 'import time; x = b\"x\" * 80_000_000; time.sleep(600)'"
    line = f"trap '' TERM; echo begins; {take} & echo $! > {pid}; {take}"
    run = shop.run(None, shell=line, max_memory="100MB", kill_after="1h")
    assert (run.outcome, run.reason) == ("failed", "memory limit")
    first, *rest = run.result.splitlines()
    assert first.startswith("OverMemory: '/bin/sh' was killed: it used ")
    assert first.endswith(" MB, more than its max_memory of 100 MB")
    assert rest == ["begins"]
    until(lambda: not is_alive(int(pid.read_text())), 10, "what it started is gone")
    assert shop.run(None, shell="echo small", max_memory="100MB").outcome == "succeeded"


def test_what_earlier_runs_left_behind_counts_for_none_and_their_process_is_replaced(shop: Shop) -> None:
    alone = shop.running.start("worker2", "--concurrency=1", "-Q", "leaks")
    alone.says(r" ready\.")
    entry = shop.add("memory.leak", max_memory="60MB", queue="leaks")  # the worker did not know it at its start
    for _ in range(40):
        assert shop.ended(shop.dispatcher.run_now(entry, "ann")).outcome == "succeeded"
    processes = {line for line in shop.bodies.read_text().splitlines() if line.startswith("leak in ")}
    assert len(processes) > 2, "400 MB were never in one process"
