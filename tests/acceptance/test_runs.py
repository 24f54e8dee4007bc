"""A real worker: what becomes of a run, and what a person finds about it afterwards."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import textwrap
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from scheduler.model import Entry, Run, run_id
from scheduler.sending import message
from scheduler.sending.decide import Decision
from scheduler.sending.dispatch import Due
from scheduler.sending.followers import Followers
from scheduler.sending.headers import task_id
from scheduler.status.as_json import run_json
from scheduler.storage import entries
from scheduler.storage.instants import from_seconds
from scheduler.storage.store import Write
from scheduler.storage.workers import workers
from tests.support.alive import is_alive
from tests.support.polling import until
from tests.support.schedules import SECOND
from tests.support.service import Program, Service
from tests.support.shop import commit
from tests.support.worker import Shop, open_shop, running_worker

pytestmark = pytest.mark.xdist_group("runs")

TASKS = """
    import asyncio, pathlib, sys, time
    from celery import chord, shared_task
    from celery.exceptions import Ignore, Reject
    from celery.exceptions import SoftTimeLimitExceeded

    BODIES = pathlib.Path(__file__).with_name("bodies")


    def begin(name):
        with BODIES.open("a") as file:
            file.write(name + "\\n")


    @shared_task(name="runs.limited", rate_limit="6/m")
    def limited():
        begin("limited")

    @shared_task(name="runs.add")
    def add(a, b):
        begin("add")
        return a + b


    @shared_task(name="runs.who")
    def who(*args, **kwargs):
        import scheduler
        run = scheduler.current_run()
        window = [at and at.isoformat() for at in run.window] + [run.args, run.kwargs]
        return run.environment() | {"zone": str(run.due.tzinfo), "manual": run.manual, "window": window}


    @shared_task(name="runs.fail")
    def fail(text):
        begin("fail")
        raise ValueError(text)


    @shared_task(name="runs.greedy")
    def greedy():
        bytearray(1 << 60)


    @shared_task(name="runs.fail_times", bind=True)
    def fail_times(self, times):
        begin("fail_times")
        if self.request.retries < times:
            raise ValueError(f"attempt {self.request.retries + 1} fails")
        return self.request.retries + 1


    @shared_task(name="runs.declared", throws=(KeyError,))
    def declared():
        begin("declared")
        raise KeyError("expected")


    @shared_task(name="runs.odd")
    def odd():
        return {"text": "ü\\n", "list": [None, 1.5]}


    @shared_task(name="runs.nap")
    def nap(seconds):
        begin("nap")
        time.sleep(seconds)


    @shared_task(name="runs.wait_for")
    def wait_for(file):
        while not pathlib.Path(file).exists():
            time.sleep(0.05)


    @shared_task(name="runs.stubborn")
    def stubborn():
        try:
            time.sleep(60)
        except SoftTimeLimitExceeded:
            BODIES.with_name("asked").touch()
            time.sleep(60)


    @shared_task(name="runs.end", bind=True)
    def end(self, how, *arguments):
        begin(how)
        if how == "ignore":
            raise Ignore("nothing to do")
        if how.startswith("reject"):
            raise Reject("not now", requeue=how == "reject and requeue" and not arguments)
        if how == "exit":
            sys.exit(3)
        if how == "exit with nothing":
            sys.exit()
        if how == "interrupt":
            raise KeyboardInterrupt
        if how == "cancelled":
            raise asyncio.CancelledError("cut")
        if how == "another base":
            raise OwnBase("own")
        if how == "replaced by a task":
            raise self.replace(add.s(1, 2))
        if how == "replaced by a chain":
            return self.replace(add.s(1, 2) | add.s(3))
        if how == "replaced by a chord":
            return self.replace(chord([add.s(1, 2), add.s(3, 4)], total.s()))


    class OwnBase(BaseException):
        pass


    @shared_task(name="runs.total")
    def total(numbers):
        return sum(numbers)


    @shared_task(name="runs.hold", track_started=True)
    def hold():
        begin("hold")
        while not BODIES.with_name("let go").exists():
            time.sleep(0.05)
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("runs")
    (made / "runs_tasks.py").write_text(textwrap.dedent(TASKS))
    return made


@pytest.fixture(scope="module")
def worker(directory: Path) -> Iterator[tuple[Service, Program]]:
    with running_worker(directory, SCHEDULER_IMPORTS="runs_tasks") as running:
        yield running


@pytest.fixture
def shop(worker: tuple[Service, Program], directory: Path) -> Iterator[Shop]:
    with open_shop(*worker, directory) as opened:
        yield opened


def test_a_run_that_succeeds_is_recorded_with_its_result_worker_and_times(shop: Shop) -> None:
    before = time.time()
    run = shop.run("runs.add", 10, 20)
    assert (run.outcome, run.result, run.attempt) == ("succeeded", "30", 1)
    assert run.worker.startswith("celery@")
    assert before <= run.sent <= run.started <= run.finished <= time.time()
    assert run.lateness is not None
    assert run.duration is not None


def test_a_result_of_any_kind_is_kept_as_json(shop: Shop) -> None:
    assert json.loads(shop.run("runs.odd").result) == {"text": "ü\n", "list": [None, 1.5]}


def test_a_run_that_fails_is_recorded_with_its_error_and_traceback(shop: Shop) -> None:
    run = shop.run("runs.fail", "the disk is full")
    assert (run.outcome, run.reason, run.result) == ("failed", "error", "ValueError: the disk is full")
    assert run.traceback.startswith("Traceback (most recent call last):")
    assert "runs_tasks.py" in run.traceback
    assert run.traceback.rstrip().endswith("ValueError: the disk is full")


def test_a_task_that_wants_too_much_memory_fails_and_its_worker_lives(shop: Shop) -> None:
    run = shop.run("runs.greedy")
    assert (run.outcome, run.reason, run.result) == ("failed", "error", "OutOfMemory: MemoryError: ")
    assert "bytearray" in run.traceback
    assert shop.run("runs.add", 1, 2).outcome == "succeeded"
    assert shop.worker.popen.poll() is None, shop.worker.output()


def test_a_run_is_tried_again_as_often_as_its_schedule_says_and_then_succeeds(shop: Shop) -> None:
    run = shop.run("runs.fail_times", 1, retries=3)
    assert (run.outcome, run.result, run.attempt) == ("succeeded", "2", 2)


def test_between_two_attempts_a_run_is_queued_and_says_why(shop: Shop) -> None:
    identity = shop.send("runs.fail_times", 5, retries=1)
    run = until(lambda: waiting(shop, identity), 60, "a run that waits for its second attempt")
    assert run.result.startswith("tried again after: ")
    assert "attempt 1 fails" in run.result
    assert (shop.ended(identity).outcome, shop.ended(identity).attempt) == ("failed", 2)


def waiting(shop: Shop, identity: str) -> Run | None:
    run = shop.ledger.get(identity)
    return run if run.outcome == "queued" and run.attempt else None


def second_attempt(shop: Shop, identity: str) -> dict[str, Any] | None:
    """The headers of the message of a run's second attempt, which a worker holds until its time."""
    held = [json.loads(text)[0]["headers"] for text in shop.client.hvals("unacked") if identity in text]
    return next((headers for headers in held if headers["retries"]), None)


def send_due(shop: Shop, entry: Entry) -> str:
    """Send the run of a due instant a second ago; returns its id."""
    due = from_seconds(time.time()) - SECOND
    shop.client.set(shop.keys.lock, "ours")
    commit(shop.dispatcher, [Due(entry, entries.job(entry), Decision((due,), due=entry.due), entry.due)])
    return run_id(entry.name, due)


def test_the_next_attempt_does_not_expire_with_the_message_of_the_first(shop: Shop) -> None:
    identity = send_due(shop, shop.add("runs.fail_times", 5, retries=1, expires="1h"))
    until(lambda: waiting(shop, identity), 60, "a run that waits for its second attempt")
    # The first message is acknowledged after the second is sent.
    headers = until(lambda: second_attempt(shop, identity), 60, "its second message is taken")
    assert headers["expires"] is None
    assert (shop.ended(identity).outcome, shop.ended(identity).attempt) == ("failed", 2)


def test_a_run_without_retries_is_tried_once(shop: Shop) -> None:
    before = shop.began("fail")
    assert shop.run("runs.fail", "x").attempt == 1
    assert shop.began("fail") == before + 1


def test_an_error_that_the_task_declares_is_not_tried_again(shop: Shop) -> None:
    run = shop.run("runs.declared", retries=3)
    assert (run.outcome, run.attempt) == ("failed", 1)


def test_a_worker_sends_no_acknowledgement_for_a_run_that_ended(shop: Shop) -> None:
    """The step that ends a run acknowledges its message too."""
    with shop.client.monitor() as monitor:
        ended = [shop.run("runs.add", 1, 2) for _ in range(3)]
        shop.client.echo("over")
        seen = list(commands_until(monitor, "over"))
    assert {run.outcome for run in ended} == {"succeeded"}
    # What an earlier test left may be acknowledged meanwhile too.
    taken = [it["command"] for it in seen if it["command"].startswith("HSET unacked ")]
    tags = [command.split()[2] for command in taken if any(run.task_id in command for run in ended)]
    ends = tuple(f"HDEL unacked {tag}" for tag in tags)
    removed = [(before["command"], it) for before, it in pairwise(seen) if it["command"].startswith(ends)]
    assert [it["client_type"] for _, it in removed].count("lua") == 3
    # A single acknowledgement ends with the hash; the worker's regular look at what is left begins with it.
    assert [it for before, it in removed if before.startswith("ZREM unacked_held ")] == []
    assert not any(shop.client.hexists("unacked", tag) for tag in tags)


def commands_until(monitor: Any, word: str) -> Iterator[dict[str, Any]]:
    """What Redis is told, up to the ECHO of a word."""
    while (command := monitor.next_command())["command"] != f"ECHO {word}":
        yield command


def test_a_second_delivery_of_a_run_that_ended_does_nothing(shop: Shop) -> None:
    entry = shop.add("runs.add", 1, 2)
    identity = shop.dispatcher.run_now(entry, "ann")
    first = shop.ended(identity)
    before = shop.began("add")
    again = message.compose(shop.app, entries.job(entry), identity, None)
    shop.client.lpush(again.queue, again.payload)
    shop.worker.says(rf"Ignored a duplicate of {identity}: it is already succeeded")
    until(lambda: not shop.client.hlen("unacked"), 60, "the second delivery is acknowledged")
    assert shop.began("add") == before
    assert shop.ledger.get(identity) == first
    assert shop.result(first.task_id)["status"] == "SUCCESS"


def test_a_second_delivery_leaves_the_result_of_a_failure_alone(shop: Shop) -> None:
    entry = shop.add("runs.fail", "x")
    identity = shop.dispatcher.run_now(entry, "ann")
    task_id = shop.ended(identity).task_id
    again = message.compose(shop.app, entries.job(entry), identity, None)
    shop.client.lpush(again.queue, again.payload)
    shop.worker.says(rf"Ignored a duplicate of {identity}: it is already failed")
    until(lambda: not shop.client.hlen("unacked"), 60, "the second delivery is acknowledged")
    assert shop.result(task_id)["status"] == "FAILURE"


def test_a_second_delivery_of_a_run_that_goes_on_does_nothing(shop: Shop) -> None:
    entry = shop.add("runs.hold")
    identity = shop.dispatcher.run_now(entry, "ann")
    until(lambda: shop.ledger.get(identity).outcome == "running", 60, "the run goes on")
    until(
        lambda: shop.result(task_id(identity)).get("status") == "STARTED",
        60,
        "Celery is told: it asks",
    )
    again = message.compose(shop.app, entries.job(entry), identity, None)
    shop.client.lpush(again.queue, again.payload)
    shop.worker.says(rf"Ignored a duplicate of {identity}: it is already running")
    shop.bodies.with_name("let go").touch()
    assert shop.ended(identity).outcome == "succeeded"
    assert shop.began("hold") == 1


def test_a_run_that_no_worker_took_before_it_expired_is_skipped_as_expired(shop: Shop) -> None:
    """It waits in a queue that no worker reads, until it is too late."""
    before = shop.began("add")
    identity = send_due(shop, shop.add("runs.add", 1, 2, expires="1s", queue="parked"))
    expires = json.loads(shop.client.lindex("parked", 0))["headers"]["expires"]
    until(lambda: from_seconds(time.time()).isoformat() > expires, 60, "the run expires")
    shop.client.rpoplpush("parked", "celery")
    run = shop.ended(identity)
    assert (run.outcome, run.reason) == ("skipped", "expired")
    assert run.detail == "no worker started it in time"
    assert shop.began("add") == before


def test_a_worker_reports_how_many_tasks_it_runs_and_can_run(shop: Shop, tmp_path: Path) -> None:
    def reported() -> tuple[int, int]:
        [worker] = workers(shop.client, shop.keys)
        return worker.slots, worker.busy

    until(lambda: reported() == (2, 0), 90, "an idle worker with two slots")
    identity = shop.send("runs.wait_for", str(tmp_path / "go"))
    until(lambda: reported() == (2, 1), 60, "a worker with one of two slots busy")
    (tmp_path / "go").touch()
    shop.ended(identity)


def test_a_run_that_waits_for_a_rate_limit_says_so(shop: Shop) -> None:
    first, second = shop.send("runs.limited"), shop.send("runs.limited")
    assert shop.ended(first).outcome == "succeeded"
    until(lambda: shop.ledger.get(second).reason, 60, "it is held back")
    run = shop.ledger.get(second)
    assert (run.outcome, run.reason) == ("queued", "rate limited")
    score = shop.client.zscore(shop.keys.sent("celery"), second)
    assert score is not None
    assert score > time.time(), "beat does not count it as lost before its time"


def test_a_run_that_takes_too_long_is_stopped_and_failed(shop: Shop) -> None:
    run = shop.run("runs.nap", 60, timeout="1s")
    assert (run.outcome, run.reason) == ("failed", "time limit")
    assert run.result == "SoftTimeLimitExceeded: it took longer than its timeout of 1 s"
    assert "runs_tasks.py" in run.traceback  # it says where the time was spent
    assert shop.run("runs.add", 1, 2).outcome == "succeeded"


def test_a_run_can_clean_up_at_its_timeout_and_is_killed_if_it_does_not_end(shop: Shop, directory: Path) -> None:
    begun = time.monotonic()
    run = shop.run("runs.stubborn", timeout="1s", kill_after="2s")
    assert (directory / "asked").exists()
    assert (run.outcome, run.reason) == ("failed", "time limit")
    assert run.result == "TimeLimitExceeded: it took longer than its timeout of 1 s"
    assert time.monotonic() - begun < 30


def test_a_program_that_ignores_its_timeout_is_killed_with_its_grandchildren_and_its_slot_is_free(
    shop: Shop, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    deaf = "trap '' TERM; while :; do sleep 1; done"
    line = f'setsid sh -c "{deaf}" & echo $! > {pid}.new; mv {pid}.new {pid}; echo deaf; {deaf}'
    run = shop.run(None, shell=line, timeout="1s", kill_after="2s")
    assert (run.outcome, run.reason) == ("failed", "time limit")
    assert run.result.startswith("TimedOut: '/bin/sh' was stopped: its run exceeded its timeout: ")
    assert "\ndeaf\n" in run.result  # a shell that is killed after its `sleep` says so too
    assert run.duration
    assert run.duration < 30
    until(lambda: not is_alive(int(pid.read_text())), 10, "the grandchild, in a session of its own, is gone")
    for _ in range(2):  # once in each process of the worker
        assert shop.ended(shop.send("runs.add", 1, 2), 10).outcome == "succeeded"


def test_a_program_that_exceeds_the_timeout_of_its_run_keeps_its_output(shop: Shop) -> None:
    argv = ["sh", "-c", "echo working; exec sleep 60"]
    run = shop.run("scheduler.tasks.run_command", kwargs={"argv": argv}, timeout="1s")
    assert (run.outcome, run.reason) == ("failed", "time limit")
    assert run.result == "TimedOut: 'sh' was stopped: its run exceeded its timeout: working\nworking\n"


def test_a_shell_line_runs_as_it_is_written_with_its_variables_directory_and_input(shop: Shop, directory: Path) -> None:
    line = 'for part in a b; do echo "${part}${NONE:-!} $$ $(pwd) $WHO"; done | sed s/[0-9][0-9]*/PID/; cat; exit 3'
    given: dict[str, Any] = {"environment": {"WHO": "ann"}, "stdin": "typed\n", "directory": str(directory)}
    run = shop.run(None, shell=line, success_codes=[0, 3], **given)
    assert (run.outcome, run.task) == ("succeeded", "scheduler.tasks.run_command")
    assert f"a! PID {directory} ann\nb! PID {directory} ann\ntyped\n" in run.result.replace("\\n", "\n")


def test_a_request_of_the_file_is_sent_and_its_answer_is_the_result(shop: Shop) -> None:
    answered = b"HTTP/1.1 404 Gone\r\nContent-Length: 5\r\n\r\nthere"
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connected, _ = server.accept()
            with connected:
                connected.recv(65_536)
                connected.sendall(answered)

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x"
        run = shop.run(None, http={"url": url, "allow_private": True})
        thread.join()
    assert (run.outcome, run.task) == ("failed", "scheduler.tasks.http_request")
    assert run.result == f"TaskFailed: GET {url} answered 404 Gone, and not 200-299\nthere"


def test_a_body_knows_its_run_in_the_zone_of_its_schedule(shop: Shop) -> None:
    fields: dict[str, Any] = {"every": None, "cron": "30 2 * * *", "timezone": "Asia/Tokyo", "timeout": "5m"}
    entry = shop.add("runs.who", 3, "${due:%F}", kwargs={"kind": "full"}, **fields)
    due = datetime(2026, 1, 5, 17, 30, tzinfo=UTC)
    shop.client.set(shop.keys.lock, "ours")
    commit(shop.dispatcher, [Due(entry, entries.job(entry), Decision((due,), due=entry.due), entry.due)])
    run = shop.ended(run_id(entry.name, due))
    told = json.loads(run.result)
    assert told.pop("DEADLINE").endswith("+09:00")
    assert told == {
        "SCHEDULE": entry.name,
        "RUN": run.id,
        "DUE": "2026-01-06T02:30:00+09:00",
        "PREVIOUS_DUE": "2026-01-05T02:30:00+09:00",
        "ATTEMPT": "1",
        "zone": "Asia/Tokyo",
        "manual": False,
        "window": ["2026-01-05T02:30:00+09:00", "2026-01-06T02:30:00+09:00", [3, "${due:%F}"], {"kind": "full"}],
    }
    assert json.loads(shop.run("runs.who").result)["manual"] is True


def test_a_body_knows_the_run_that_it_follows(shop: Shop) -> None:
    child = shop.add("runs.who", enabled=False)
    parent = shop.run("runs.add", 1, 2, then=child.name)
    Followers(shop.dispatcher, shop.store).send("", 0)
    [identity] = run_json(shop.ledger.get(parent.id))["children"]
    told = json.loads(shop.ended(identity).result)
    assert told["DUE"] == told["AFTER_DUE"]
    assert (told["AFTER_SCHEDULE"], told["AFTER_RUN"]) == (parent.schedule, parent.id)
    assert (told["AFTER_OUTCOME"], told["AFTER_RESULT"]) == ("succeeded", "3")
    assert "PREVIOUS_DUE" not in told


def test_arguments_have_the_due_instant_of_their_own_run_and_the_number_of_the_attempt(shop: Shop) -> None:
    fields: dict[str, Any] = {"every": None, "cron": "30 2 * * *", "timezone": "Asia/Tokyo", "retries": 1}
    words = "${schedule} ${run} ${attempt} ${due:%Y-%m-%d %H:%M} ${previous_due} ${due:%s}"
    entry = shop.add("runs.fail", words, **fields)
    due = datetime(2026, 1, 5, 17, 30, tzinfo=UTC)  # long ago, as a run is that is caught up
    shop.client.set(shop.keys.lock, "ours")
    commit(shop.dispatcher, [Due(entry, entries.job(entry), Decision((due,), due=entry.due), entry.due)])
    run = shop.ended(run_id(entry.name, due))
    told = f"{entry.name} {run.id} 2 2026-01-06 02:30 2026-01-05T02:30:00+09:00 {due.timestamp():.0f}"
    assert run.result == f"ValueError: {told}"


def test_the_shell_keeps_its_dollars_and_gets_words_of_the_run_through_its_environment(shop: Shop) -> None:
    line = 'due=mine; echo "${due} $DAY"; cat'
    run = shop.run(None, shell=line, environment={"DAY": "${due:%F}"}, stdin="${attempt}", timezone="Asia/Tokyo")
    day = from_seconds(run.due).astimezone(ZoneInfo("Asia/Tokyo")).date().isoformat()
    assert f"mine {day}\\n1" in run.result


def test_a_run_whose_schedule_was_removed_says_that_it_cannot_know_its_zone(shop: Shop) -> None:
    entry = shop.add("runs.fail", "${due}", celery_options={"countdown": 1})
    identity = shop.dispatcher.run_now(entry, "ann")
    shop.store.write([Write(entry.name, entry, None)])
    assert "${due} in the arguments: the schedule was removed" in shop.ended(identity).result


def test_a_program_knows_its_run_from_its_environment(shop: Shop) -> None:
    run = shop.run(None, shell='echo "$SCHEDULE" "$RUN" "$ATTEMPT" "$MORE" "${DUE%T*}"', environment={"MORE": "own"})
    day = from_seconds(run.due).date().isoformat()
    assert f"{run.schedule} {run.id} 1 own {day}\\n" in run.result
    assert run.manual


def test_a_program_of_a_schedule_is_limited_by_the_timeout_of_the_schedule_alone(shop: Shop) -> None:
    run = shop.run(None, command=["sh", "-c", "echo working; exec sleep 60"], timeout="1s")
    assert (run.outcome, run.reason) == ("failed", "time limit")


def test_a_call_from_a_program_runs_and_leaves_its_result_in_redis(shop: Shop) -> None:
    from scheduler.tasks import log_it

    called = log_it.delay(5, 8)
    later = log_it.apply_async(args=[10, 20], countdown=1)
    found = until(lambda: done(shop, called.id), 60, "the result of log_it.delay(5, 8)")
    assert (found["status"], found["result"], found["traceback"], found["children"]) == ("SUCCESS", 13, None, [])
    assert found["date_done"].endswith("+00:00")
    begun = time.monotonic()
    assert until(lambda: done(shop, later.id), 60, "the result of the one that counts down")["result"] == 30
    assert time.monotonic() - begun < 40
    assert 0 < shop.client.ttl(f"celery-task-meta-{called.id}") <= 86_400


def done(shop: Shop, task_id: str) -> dict[str, Any] | None:
    found = shop.result(task_id)
    return found if found.get("status") in ("SUCCESS", "FAILURE") else None


def test_a_call_from_a_program_leaves_nothing_in_the_ledger(shop: Shop) -> None:
    from scheduler.tasks import fail

    before = set(shop.client.keys(f"{shop.keys.prefix}*"))
    called = fail.delay("no run")
    assert until(lambda: done(shop, called.id), 60, "the failure")["status"] == "FAILURE"
    assert set(shop.client.keys(f"{shop.keys.prefix}*")) <= before


def test_a_long_task_reports_its_progress(shop: Shop) -> None:
    identity = shop.send("scheduler.tasks.count_to", kwargs={"total": 4, "seconds": 4})
    task_id = shop.ledger.get(identity).task_id

    def progress() -> dict[str, Any] | None:
        found = shop.result(task_id)
        return found if found.get("status") == "PROGRESS" else None

    found = until(progress, 60, "progress")["result"]
    assert found["total"] == 4
    assert found["message"] == f"Counted {found['current']} of 4"
    assert json.loads(shop.ended(identity).result) == {"counted": 4}


def test_a_message_that_is_not_json_is_refused(shop: Shop) -> None:
    before = shop.began("add")
    payload = json.loads(message.compose(shop.app, entries.job(shop.add("runs.add", 1, 2)), "x@y", None).payload)
    payload["content-type"] = "application/x-python-serialize"
    shop.client.lpush("celery", json.dumps(payload))
    shop.worker.says("ContentDisallowed|Refusing to deserialize")
    assert shop.run("runs.add", 1, 2).outcome == "succeeded"
    assert shop.began("add") == before + 1


def test_a_failed_program_keeps_its_output(shop: Shop) -> None:
    script = "for i in 1 2 3; do echo step $i; done; echo 'rsync: no permission (13)' >&2; echo cleaning up; exit 23"
    output = "step 1\nstep 2\nstep 3\nrsync: no permission (13)\ncleaning up\n"
    run = shop.run("scheduler.tasks.run_command", kwargs={"argv": ["sh", "-c", script]})
    assert run.outcome == "failed"
    assert run.result == f"TaskFailed: 'sh' failed with exit code 23: cleaning up\n{output}"
    assert run.exit_code == 23
    shop.worker.says(re.escape(output))  # the journal keeps it; Celery logs it after the run has ended


@pytest.mark.parametrize(("kept", "seconds"), [({}, 3600), ({"keep_result": "30d"}, 2_592_000)])
def test_a_result_is_kept_for_as_long_as_its_schedule_says(shop: Shop, kept: dict[str, str], seconds: int) -> None:
    failed, retried = shop.run("runs.fail", "no", **kept), shop.run("runs.fail_times", 1, retries=1, **kept)
    assert (failed.outcome, retried.outcome, retried.attempt) == ("failed", "succeeded", 2)
    for run, status in ((failed, "FAILURE"), (retried, "SUCCESS")):
        assert shop.result(run.task_id)["status"] == status
        assert seconds - 60 < shop.client.ttl(f"celery-task-meta-{run.task_id}") <= seconds


def test_no_result_is_kept_where_the_schedule_says_none(shop: Shop) -> None:
    run = shop.run("runs.add", 1, 2, keep_result="none")
    assert (run.outcome, run.result) == ("succeeded", "3")
    assert shop.result(run.task_id) == {}


def test_the_result_of_a_plain_call_is_kept_for_a_day(shop: Shop) -> None:
    call = shop.app.send_task("runs.add", (1, 2)).id
    until(lambda: shop.result(call).get("status") == "SUCCESS", 60, "the call has succeeded")
    assert 86_400 - 60 < shop.client.ttl(f"celery-task-meta-{call}") <= 86_400


def test_a_program_ends_with_its_run_when_the_pools_process_is_killed(shop: Shop, directory: Path) -> None:
    pid = directory / "program"
    script = f"echo $$ > {pid}.part; mv {pid}.part {pid}; exec sleep 60"
    identity = shop.send("scheduler.tasks.run_command", kwargs={"argv": ["sh", "-c", script]}, on_lost="report")
    until(pid.exists, 60, "the program runs")
    os.kill(int(shop.ledger.get(identity).worker.rpartition(":")[2]), signal.SIGKILL)
    until(lambda: not is_alive(int(pid.read_text())), 20, "the program is gone")


ENDINGS = {
    "ignore": ("succeeded", "ended with Ignore: nothing to do"),
    "reject": ("failed", "BodyRejected: Reject: not now"),
    "reject and requeue": ("failed", "BodyRejected: Reject: not now"),
    "exit": ("failed", "BodyExited: SystemExit: 3"),
    "exit with nothing": ("failed", "BodyExited: SystemExit"),
    "interrupt": ("failed", "BodyExited: KeyboardInterrupt"),
    "cancelled": ("failed", "BodyExited: CancelledError: cut"),
    "another base": ("failed", "BodyExited: OwnBase: own"),
    "replaced by a task": ("succeeded", "replaced by runs.add, whose end is not part of this run"),
    "replaced by a chain": ("succeeded", "replaced by celery.chain, whose end is not part of this run"),
    "replaced by a chord": ("succeeded", "replaced by celery.chord, whose end is not part of this run"),
}
REPLACED = {"replaced by a task": 3, "replaced by a chain": 6, "replaced by a chord": 10}


@pytest.mark.parametrize("how", ENDINGS)
def test_a_run_ends_when_its_body_ends_however_that_ends(shop: Shop, how: str) -> None:
    began = shop.began(how)
    run = shop.run("runs.end", how, on_lost="rerun")
    assert (run.outcome, run.result, run.attempt) == (*ENDINGS[how], 1)
    assert shop.client.hget(shop.keys.ledger(run.schedule), ":open") == ""
    if how in REPLACED:
        until(lambda: shop.result(run.task_id).get("result") == REPLACED[how], 30, "the replacement's result")
    until(lambda: not shop.client.hlen("unacked"), 30, "its message is gone")
    assert shop.began(how) == began + 1
    assert shop.worker.popen.poll() is None


def test_the_retries_of_a_schedule_follow_a_body_that_exits_too(shop: Shop) -> None:
    began = shop.began("exit")
    run = shop.run("runs.end", "exit", retries=1)
    assert (run.outcome, run.attempt) == ("failed", 2)
    assert shop.began("exit") == began + 2


@pytest.mark.parametrize("how", ["exit", "interrupt", "another base"])
def test_a_plain_call_whose_body_exits_has_failed(shop: Shop, how: str) -> None:
    began = shop.began(how)
    call = shop.app.send_task("runs.end", (how,)).id
    until(lambda: shop.result(call).get("status") == "FAILURE", 30, "it failed")
    assert shop.result(call)["result"]["exc_message"] == [ENDINGS[how][1].removeprefix("BodyExited: ")]
    assert shop.began(how) == began + 1


def test_a_plain_call_that_asks_for_another_delivery_gets_as_many_as_it_asks_for(shop: Shop) -> None:
    began = shop.began("reject and requeue")
    call = shop.app.send_task("runs.end", ("reject and requeue",)).id
    until(lambda: shop.began("reject and requeue") > began + 5, 30, "more deliveries than a dying process gets")
    shop.app.control.revoke(call)
    until(lambda: shop.result(call).get("status") == "REVOKED", 30, "it is revoked")
