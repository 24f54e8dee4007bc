"""A worker that is asked to stop: what it runs may end in time, and the rest runs again at once on another worker."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from scheduler.model import Reason
from scheduler.storage.workers import workers
from tests.support.alive import is_alive
from tests.support.polling import until
from tests.support.service import Program, Service
from tests.support.worker import Shop, open_shop, running_worker

BODIES = dedent("""
    import os, time
    from celery import shared_task

    @shared_task(name="slow.nap")
    def nap(seconds, path):
        with open(path, "a") as bodies:
            bodies.write("began\\n")
        time.sleep(seconds)
        with open(path, "a") as bodies:
            bodies.write("ended\\n")

    @shared_task(name="slow.wait")
    def wait(go, path):
        with open(path, "a") as bodies:
            bodies.write("began\\n")
        while not os.path.exists(go):
            time.sleep(0.05)
        with open(path, "a") as bodies:
            bodies.write("ended\\n")

    @shared_task(name="slow.once")
    def once(path):
        with open(path, "a") as bodies:
            bodies.write("began\\n")
        if open(path).read().count("began") == 1:
            time.sleep(60)
""")


@pytest.fixture
def drain() -> str:
    """Seconds that a body gets to end."""
    return "2"


@pytest.fixture
def running(tmp_path: Path, drain: str) -> Iterator[tuple[Service, Program]]:
    (tmp_path / "slow.py").write_text(BODIES)
    with running_worker(tmp_path, "--without-mingle", SCHEDULER_DRAIN=drain, SCHEDULER_IMPORTS="slow") as started:
        yield started


@pytest.fixture
def shop(running: tuple[Service, Program], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.syspath_prepend(tmp_path)
    with open_shop(*running, tmp_path) as opened:
        yield opened


def bodies(shop: Shop) -> list[str]:
    return shop.bodies.read_text().split() if shop.bodies.exists() else []


def sent(shop: Shop, task: str, *arguments: object) -> str:
    """A run whose body has begun."""
    identity = shop.send(task, *arguments, str(shop.bodies))
    until(lambda: bodies(shop), 60, "the body began")
    return identity


@pytest.mark.parametrize("drain", ["60"])
def test_what_ends_in_time_ends_as_ever_and_the_worker_says_that_it_drains(shop: Shop, tmp_path: Path) -> None:
    go = tmp_path / "go"
    identity = sent(shop, "slow.wait", str(go))
    shop.worker.popen.send_signal(signal.SIGTERM)
    until(lambda: [it.is_draining for it in workers(shop.client, shop.keys)] == [True], 50, "its report says so")
    go.touch()
    let_go = time.monotonic()
    assert shop.worker.ends() == 0
    assert shop.ledger.get(identity).outcome == "succeeded"
    assert bodies(shop) == ["began", "ended"]
    assert time.monotonic() - let_go < 50


@pytest.mark.parametrize(("how", "drain"), [(signal.SIGTERM, "2"), (signal.SIGTERM, "0"), (signal.SIGQUIT, "2")])
def test_what_does_not_end_in_time_runs_again_at_once(shop: Shop, how: signal.Signals) -> None:
    identity = sent(shop, "slow.once")
    shop.worker.stop(how, seconds=50)
    handed_back = shop.ledger.get(identity)
    assert (handed_back.outcome, handed_back.detail) == ("queued", Reason.HANDED_BACK.sentence)
    assert not shop.client.hlen("unacked"), "its message is with nobody"
    shop.running.start("worker2", "--concurrency=1", "--without-mingle")
    assert shop.ended(identity).outcome == "succeeded"
    assert bodies(shop) == ["began", "began"]
    assert shop.worker.count("Traceback") == 0, shop.worker.output()


def test_a_program_that_was_cut_off_has_ended_before_its_run_starts_again(shop: Shop, tmp_path: Path) -> None:
    begun, ended = tmp_path / "begun", tmp_path / "ended"
    again = f"if [ -e {begun} ]; then [ -e {ended} ]; exit; fi"
    script = f"{again}; trap 'sleep 2; touch {ended}; exit' TERM; touch {begun}; while :; do sleep 0.1; done"
    identity = shop.send("scheduler.tasks.run_command", kwargs={"argv": ["sh", "-c", script]})
    until(begun.exists, 60, "the program runs")
    other = shop.running.start("worker2", "--concurrency=1", "--without-mingle")
    other.says(r" ready\.")
    shop.worker.stop(seconds=50)
    assert (shop.ended(identity).outcome, shop.ended(identity).attempt) == ("succeeded", 2)


def test_a_body_that_was_cut_off_does_not_go_on(shop: Shop) -> None:
    sent(shop, "slow.nap", 60)
    children = Path(f"/proc/{shop.worker.pid}/task/{shop.worker.pid}/children").read_text().split()
    shop.worker.stop(seconds=50)
    assert children
    until(lambda: not any(is_alive(int(child)) for child in children), 60, "the worker's children are gone")
    assert bodies(shop) == ["began"]
