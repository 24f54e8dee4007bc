"""What a run prints and logs, as `logs` shows it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from scheduler.changes import clock
from scheduler.model import Run
from scheduler.sending.followers import Followers
from scheduler.settings import Settings
from scheduler.status import output
from scheduler.storage.client import AWAY
from scheduler.storage.store import Write
from tests.support.polling import until
from tests.support.redis_server import RedisServer, redis_server
from tests.support.schedules import declared, entry_of
from tests.support.service import ROOT, service
from tests.support.shell import Shell
from tests.support.worker import Shop, open_shop, running_worker

TASKS = r"""
    import logging, os, pathlib, sys, time
    from celery import shared_task
    from celery.utils.log import get_task_logger

    GATE = pathlib.Path(__file__).with_name("gate")
    logging.getLogger("package.alone").propagate = False


    def wait_for_gate():
        while not GATE.exists():
            time.sleep(0.05)


    @shared_task(name="printing.in_order")
    def in_order():
        print("to stdout")
        print("to stderr", file=sys.stderr)
        logging.getLogger("some.package").warning("to a logger, %s", "äöü")
        get_task_logger(__name__).info("to the task's logger")
        logging.getLogger("package.alone").error("to a logger without handlers")
        logging.getLogger("some.package").debug("below the level of the worker")
        sys.stdout.buffer.write(b"bytes\n")
        sys.stdout.write("no line break")
        logging.warning("on a line of its own")
        print("the last")


    @shared_task(name="printing.silent")
    def silent():
        pass


    @shared_task(name="printing.fail_twice", bind=True, max_retries=2)
    def fail_twice(self):
        print(f"this is attempt {self.request.retries + 1}")
        if self.request.retries < 2:
            raise self.retry(countdown=0)


    @shared_task(name="printing.fail")
    def fail():
        print("before the end")
        raise ValueError("the end")


    @shared_task(name="printing.wait")
    def wait():
        print("it runs")
        print("a line that has not ended", end="")
        wait_for_gate()
        print(", but now")


    @shared_task(name="printing.take_turns")
    def take_turns(name):
        for number in range(20):
            print(f"{name} prints {number}")
            logging.getLogger("turns").info("%s logs %d", name, number)
            time.sleep(0.01)


    @shared_task(name="printing.flood")
    def flood(lines):
        for number in range(lines):
            print(f"{number:09d} " + 89 * "x")


    @shared_task(name="printing.hostile")
    def hostile():
        sys.stdout.buffer.write(b"\x1b[2J\x00\xff\xfe \xe2\x80\xae evil\ttab\r\n" + 9_000 * b"y")
        print("\ud800 lone")


    @shared_task(name="printing.tell")
    def tell(secret):
        print("secret is", secret)
        print(f"{secret}{secret}")
        logging.getLogger("tell").info("again %s", secret)
        logging.getLogger("tell").info("no number: %d", secret)
        for letter in secret:
            sys.stdout.write(letter)
        print()
        print(secret[:5], end="")
"""
SECRET = "s3cret-passphrase"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    directory = tmp_path_factory.mktemp("output")
    (directory / "printing.py").write_text(textwrap.dedent(TASKS))
    environ = {"SCHEDULER_IMPORTS": "printing", "PRINTING_SECRET": SECRET}
    with running_worker(directory, **environ) as (running, worker), open_shop(running, worker, directory) as shop:
        yield shop


@pytest.fixture
def shell(shop: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setenv("SCHEDULER_REDIS_URL", shop.running.settings.redis_url)
    return Shell(shop.running.settings, capsys)


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shop, RedisServer]]:
    """A worker that runs bodies in threads, over a Redis that survives a kill."""
    directory = tmp_path_factory.mktemp("threads")
    (directory / "printing.py").write_text(textwrap.dedent(TASKS))
    with redis_server(durable=True) as redis:
        settings = Settings(redis_url=redis.url, file=directory / "schedules.yaml", state_dir=directory / "state")
        with service(settings, PYTHONPATH=str(directory), SCHEDULER_IMPORTS="printing") as running:
            worker = running.start("worker", "--concurrency=4", "--pool=threads")
            worker.says(r" ready\.")
            with open_shop(running, worker, directory) as shop:
                yield shop, redis


def lines_of(shop: Shop, run: Run, attempt: int = 0) -> list[str]:
    return output.text(output.of_attempt(shop.ledger, run.id, attempt or run.attempt)).split("\n")


def without_time(line: str) -> str:
    """A log line without its time of day."""
    return line[9:] if line[2:3] == ":" else line


def test_what_a_body_prints_and_logs_is_kept_in_order_and_each_line_once(shop: Shop) -> None:
    run = shop.run("printing.in_order")
    assert [without_time(line) for line in lines_of(shop, run)] == [
        "to stdout",
        "to stderr",
        "WARNING to a logger, äöü",
        "INFO to the task's logger",
        "ERROR to a logger without handlers",
        "bytes",
        "no line break",
        "WARNING on a line of its own",
        "the last",
    ]
    assert shop.worker.count("to stdout") == 1


def test_a_failed_run_keeps_what_it_printed(shop: Shop) -> None:
    run = shop.run("printing.fail")
    assert run.outcome == "failed"
    assert lines_of(shop, run) == ["before the end"]


def test_each_attempt_has_its_own_output(shop: Shop) -> None:
    run = shop.run("printing.fail_twice")
    assert (run.outcome, run.attempt) == ("succeeded", 3)
    assert [lines_of(shop, run, attempt) for attempt in (1, 2, 3)] == [[f"this is attempt {n}"] for n in (1, 2, 3)]


def test_a_silent_run_costs_no_command(shop: Shop) -> None:
    run = shop.run("printing.silent")
    assert not shop.client.exists(shop.keys.output(run.id, 1))


def test_the_output_is_read_while_the_run_goes(shop: Shop) -> None:
    gate = shop.bodies.with_name("gate")
    identity = shop.send("printing.wait")
    try:
        kept = until(lambda: output.of_run(shop.ledger, shop.ledger.get(identity)), 30, "its output")
        until(lambda: "ended" in output.text(output.of_run(shop.ledger, shop.ledger.get(identity))[0]), 5, "all of it")
        assert shop.ledger.get(identity).outcome == "running"
        assert kept[0].attempt == 1
    finally:
        gate.touch()
    assert lines_of(shop, shop.ended(identity)) == ["it runs", "a line that has not ended, but now"]
    gate.unlink()


@pytest.mark.parametrize("is_program", [False, True])
def test_of_a_flood_the_head_and_the_tail_are_kept(shop: Shop, is_program: bool) -> None:
    program = "import printing; printing.flood(100_000)"
    directory = str(shop.bodies.parent)
    run = (
        shop.run(None, command=[sys.executable, "-c", program], directory=directory)
        if is_program
        else shop.run("printing.flood", 100_000)
    )
    assert run.outcome == "succeeded", run
    [kept] = output.of_run(shop.ledger, run)
    assert (kept.written, kept.left_out) == (10_000_000, 10_000_000 - 65_536)
    lines = lines_of(shop, run)
    assert lines[0].startswith("000000000 ")
    assert lines[-1].startswith("000099999 ")
    assert "… 9,934,464 bytes left out …" in lines
    assert shop.client.memory_usage(shop.keys.output(run.id, 1)) < 140_000


def test_hostile_output_is_shown_safely(shop: Shop) -> None:
    run = shop.run("printing.hostile")
    first, last = lines_of(shop, run)
    assert first == "\\x1b[2J\\x00\\xff\\xfe \\u202e evil\ttab"
    assert last == 9_000 * "y" + "\\ud800 lone"


def test_no_secret_is_in_the_output(shop: Shop) -> None:
    hidden = "${PRINTING_SECRET}"
    wanted = declared("tell", task="printing.tell", args=[hidden], every="1h")
    shop.store.write([Write("tell", None, entry_of(wanted, "file", now=clock()))])
    run = shop.ended(shop.dispatcher.run_now(shop.store.get("tell"), "ann"))
    assert [without_time(line) for line in lines_of(shop, run)] == [
        f"secret is {hidden}",
        f"{hidden}{hidden}",
        f"INFO again {hidden}",
        f"INFO no number: %d ('{hidden}',)",
        hidden,
        SECRET[:5],
    ]
    assert shop.worker.output().count("again ${PRINTING_SECRET}") == 1
    assert SECRET not in shop.worker.output()


def test_runs_in_threads_of_one_process_are_not_mixed(crowded: tuple[Shop, RedisServer]) -> None:
    shop, _ = crowded
    runs = [shop.ended(identity) for identity in [shop.send("printing.take_turns", name) for name in "ab"]]
    for run, name in zip(runs, "ab", strict=True):
        assert [without_time(line) for line in lines_of(shop, run)] == [
            line for number in range(20) for line in (f"{name} prints {number}", f"INFO {name} logs {number}")
        ]


def test_a_run_succeeds_while_redis_is_away_and_its_output_comes_later(crowded: tuple[Shop, RedisServer]) -> None:
    shop, redis = crowded
    gate = shop.bodies.with_name("gate")
    identity = shop.send("printing.wait")
    until(lambda: output.of_run(shop.ledger, shop.ledger.get(identity)), 30, "its output")
    redis.write_to_disk()
    redis.kill()
    gate.touch()
    shop.worker.says(", but now")
    redis.start()
    run = until(lambda: ended(shop, identity), 60, "its end")
    gate.unlink()
    assert run.outcome == "succeeded"
    wanted = ["it runs", "a line that has not ended, but now"]
    until(lambda: lines_of(shop, run) == wanted, 30, "the rest of its output")


def ended(shop: Shop, identity: str) -> Run | None:
    with suppress(*AWAY):
        run = shop.ledger.get(identity)
        return run if run.finished else None
    return None


def test_logs_shows_the_newest_run_that_started(shop: Shop, shell: Shell) -> None:
    run = shop.run("printing.fail_twice")
    assert shell("logs", run.schedule).out == "this is attempt 3\n"
    assert shell("logs", run.id, "--attempt", "1").out == "this is attempt 1\n"
    said = shell("logs", run.id, "--json").json
    assert (said["run"], said["attempt"], said["outcome"], said["head"]) == (
        run.id,
        3,
        "succeeded",
        "this is attempt 3\n",
    )
    assert shell("logs", run.id, "--attempt", "4").err == f"scheduler: {run.id} has no attempt 4: its last is 3\n"
    assert shell("logs", run.id, "--follow").out == "this is attempt 3\n"
    silent = shop.run("printing.silent")
    assert shell("logs", silent.id).err == f"no output of attempt 1 of {silent.id}\n"


def test_logs_follows_a_run_to_its_end(shop: Shop) -> None:
    gate = shop.bodies.with_name("gate")
    identity = shop.send("printing.wait")
    command = [sys.executable, "-m", "scheduler", "logs", identity.partition("@")[0], "--follow", "--json"]
    environ = os.environ | {"SCHEDULER_REDIS_URL": shop.running.settings.redis_url}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ, cwd=ROOT) as following:
        assert following.stdout is not None
        first = json.loads(following.stdout.readline())
        assert first == {"run": identity, "attempt": 1, "line": "it runs"}
        assert shop.ledger.get(identity).outcome == "running"
        gate.touch()
        [last] = following.stdout.read().splitlines()
        assert json.loads(last)["line"] == "a line that has not ended, but now"
    gate.unlink()
    assert following.returncode == 0


def test_run_shows_what_its_run_prints_and_ends_like_it(shop: Shop) -> None:
    entry = shop.add(None, shell="echo working; exit 3")
    command = [sys.executable, "-m", "scheduler", "run", entry.name, "--follow"]
    environ = os.environ | {"SCHEDULER_REDIS_URL": shop.running.settings.redis_url}
    done = subprocess.run(command, capture_output=True, text=True, env=environ, cwd=ROOT, timeout=60, check=False)
    (run,) = shop.ledger.runs(entry.name)
    assert (done.returncode, done.stdout) == (3, "working\n")
    assert done.stderr.splitlines()[-2:] == [
        f"{run.id} failed: it ended with an error",
        "TaskFailed: '/bin/sh' failed with exit code 3: working",
    ]


def test_a_program_that_fails_in_silence_shows_no_traceback_of_this_service(shop: Shop) -> None:
    run = shop.ended(shop.dispatcher.run_now(shop.add(None, shell="exit 4"), "ann"))
    assert (run.exit_code, run.result, run.traceback) == (4, "TaskFailed: '/bin/sh' failed with exit code 4", "")


def test_a_program_gets_what_the_run_before_it_printed_bounded_and_without_its_secrets(shop: Shop) -> None:
    said = 'echo "$AFTER_OUTCOME ${#AFTER_OUTPUT}"; echo "$AFTER_OUTPUT" | tail -n 1'
    child = shop.add(None, shell=said, enabled=False)
    line = "yes filler | head -c 300000; echo; echo password $TOLD; exit 3"
    given: dict[str, Any] = {"environment": {"TOLD": "${PRINTING_SECRET}"}, "then": {"failure": child.name}}
    wanted = declared("parent", shell=line, every="1h", **given)
    shop.store.write([Write("parent", None, entry_of(wanted, "file", now=clock()))])
    parent = shop.ended(shop.dispatcher.run_now(shop.store.get("parent"), "ann"))
    Followers(shop.dispatcher, shop.store).send("", 0)
    ended = shop.ended(shop.ledger.get(parent.id).children)
    assert lines_of(shop, ended) == ["failed 30000", "password ${PRINTING_SECRET}"]
