"""When and after what a failed run is retried, and what is seen of a run that waits for its next attempt."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler import changes
from tests.support.polling import until
from tests.support.service import Program, Service
from tests.support.worker import Shop, open_shop, running_worker

pytestmark = pytest.mark.xdist_group("runs")

TASKS = """
    import pathlib
    from celery import shared_task

    HERE = pathlib.Path(__file__).parent


    class Busy(ConnectionError):
        pass


    @shared_task(name="retry.fail")
    def fail(name, error="Busy"):
        with (HERE / "bodies").open("a") as file:
            file.write(name + "\\n")
        raise {"Busy": Busy, "ValueError": ValueError}[error]("no")
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("retries")
    (made / "retry_tasks.py").write_text(textwrap.dedent(TASKS))
    return made


@pytest.fixture(scope="module")
def worker(directory: Path) -> Iterator[tuple[Service, Program]]:
    with running_worker(directory, SCHEDULER_IMPORTS="retry_tasks") as running:
        yield running


@pytest.fixture
def shop(worker: tuple[Service, Program], directory: Path) -> Iterator[Shop]:
    with open_shop(*worker, directory) as opened:
        yield opened


def test_only_the_failures_in_retry_for_are_retried(shop: Shop) -> None:
    soon = {"retries": 2, "retry_delay": "10ms"}
    for only, attempts in ((["ConnectionError"], 3), (["retry_tasks.Busy"], 3), (["TimeoutError"], 1)):
        run = shop.run("retry.fail", "busy", retry_for=only, **soon)
        assert (run.outcome, run.reason, run.attempt) == ("failed", "error", attempts), only
        errors = [it.error for it in run.attempts]
        assert errors == ["Busy: no"] * attempts, "each attempt is a row with its error"
    for code, attempts in ((75, 3), (1, 1)):
        run = shop.run(None, shell=f"exit {code}", retry_for=["ConnectionError", 75], **soon)
        assert (run.outcome, run.attempt) == ("failed", attempts), code


def test_a_run_waits_visibly_for_its_next_attempt_and_can_be_stopped_meanwhile(shop: Shop) -> None:
    fields = {"retries": 3, "retry_delay": "1h", "retry_backoff": False, "timezone": "Asia/Tokyo", "expires": "1s"}
    identity = shop.send("retry.fail", "patient", **fields)
    until(lambda: shop.ledger.get(identity).reason == "retrying", 60, "the first attempt failed")
    run = shop.ledger.get(identity)
    assert (run.outcome, run.attempt, run.result) == ("queued", 1, "tried again after: Retry in 3600.0s: Busy('no')")
    assert run.detail.startswith("waits for its 2nd attempt until 2")
    assert run.detail.endswith(" Asia/Tokyo")
    assert identity not in shop.client.zrange(shop.keys.leases, 0, -1), (
        "nobody takes it for lost, and it does not expire"
    )
    assert changes.stop(shop.ledger, identity, by="ann")
    run = shop.ledger.get(identity)
    assert (run.outcome, run.detail) == ("stopped", "stopped by ann")
    assert shop.began("patient") == 1


def test_what_it_waited_for_is_not_said_of_a_run_that_has_ended(shop: Shop) -> None:
    run = shop.run("retry.fail", "twice", retries=1, retry_delay="10ms", retry_jitter=True)
    assert (run.outcome, run.reason, run.detail, run.attempt) == ("failed", "error", "it ended with an error", 2)
