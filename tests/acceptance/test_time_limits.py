"""`timeout` of a schedule on the pools other than prefork: gevent keeps it, a pool that cannot refuses it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.service import Program, Service
from tests.support.worker import Shop, open_shop, running_worker

pytestmark = pytest.mark.xdist_group("time_limits")

TASKS = """
    import pathlib, time
    from celery import shared_task


    @shared_task(name="limits.nap")
    def nap(seconds):
        with pathlib.Path(__file__).with_name("bodies").open("a") as file:
            file.write("nap\\n")
        time.sleep(seconds)
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "limits_tasks.py").write_text(textwrap.dedent(TASKS))
    return tmp_path


@pytest.fixture(params=["gevent"])
def worker(request: pytest.FixtureRequest, directory: Path) -> Iterator[tuple[Service, Program]]:
    with running_worker(directory, f"--pool={request.param}", SCHEDULER_IMPORTS="limits_tasks") as running:
        yield running


@pytest.fixture
def shop(worker: tuple[Service, Program], directory: Path) -> Iterator[Shop]:
    with open_shop(*worker, directory) as opened:
        yield opened


def test_gevent_keeps_a_time_limit_and_records_it_as_one(shop: Shop) -> None:
    run = shop.run("limits.nap", 60, timeout="1s")
    assert (run.outcome, run.reason) == ("failed", "time limit")
    assert run.result == "TimeLimitExceeded: it took longer than its timeout of 1 s"
    run = shop.run("limits.nap", 60, timeout="1s", retries=1)
    assert (run.outcome, run.reason, run.attempt) == ("failed", "time limit", 2)
    assert shop.began("nap") == 3
    assert shop.run("limits.nap", 0, timeout="9s").outcome == "succeeded"


@pytest.mark.parametrize("worker", ["threads"], indirect=True)
def test_a_pool_that_cannot_stop_a_run_refuses_time_limits(shop: Shop, directory: Path) -> None:
    assert shop.run("limits.nap", 0).outcome == "succeeded"
    elsewhere = shop.add("limits.nap", 0, timeout="1m", queue="elsewhere").name
    run = shop.run("limits.nap", 0, timeout="1m")
    assert (run.outcome, run.attempt) == ("failed", 1)
    sentence = "the pool 'threads' cannot stop a run, so it cannot keep the timeout of "
    remedy = "start this worker with --pool=prefork or gevent, or remove their `timeout`"
    assert run.result == f"CannotKeepLimit: {sentence}this schedule: {remedy}"
    memory = shop.run("limits.nap", 0, max_memory="100MB").result
    assert memory.startswith(
        "CannotKeepLimit: the pool 'threads' cannot stop a run, so it cannot keep the max_memory of "
    )
    assert shop.run(None, shell="true", max_memory="100MB").outcome == "succeeded", "a program has a watch of its own"
    second = shop.running.start("worker2", "--pool=threads")
    assert second.ends() == 78
    assert f"scheduler: {sentence}'{run.schedule}': {remedy}" in second.output()
    assert elsewhere not in second.output()
    assert "Traceback" not in second.output()
