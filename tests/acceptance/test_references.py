"""Secrets that a schedule refers to: the body has them, and nobody finds them anywhere else."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scheduler.changes import clock
from scheduler.errors import RefusedChange
from scheduler.model import Run
from scheduler.sending.headers import task_id
from scheduler.storage.entries import DamagedEntry
from scheduler.storage.store import Write
from tests.support.polling import until
from tests.support.schedules import declared, entry_of
from tests.support.service import Program, Service
from tests.support.worker import NUMBERS, Shop, open_shop, running_worker

pytestmark = pytest.mark.xdist_group("references")

PASSWORD = "hunter2-ü'\\"
TOKEN = "s3cr3t-token"
TASKS = """
    import pathlib, subprocess
    from celery import shared_task

    SEEN = pathlib.Path(__file__).with_name("seen")


    @shared_task(name="secrets.use")
    def use(first, *, options=None):
        SEEN.write_text(repr((first, options)))
        return {"used": [first], "options": options}


    @shared_task(name="secrets.fail")
    def fail(first):
        try:
            int(first)
        except ValueError as error:
            raise RuntimeError("cannot use " + first) from error


    @shared_task(name="secrets.command")
    def command(first):
        subprocess.run(["false", first], check=True)


    @shared_task(name="secrets.again", bind=True)
    def again(self, first):
        if not self.request.retries:
            raise self.retry(exc=ValueError(first), countdown=0)
        SEEN.write_text(first)
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("secrets")
    (made / "secret_tasks.py").write_text(textwrap.dedent(TASKS))
    (made / "token").write_text(f"{TOKEN}\n")
    return made


@pytest.fixture(scope="module")
def worker(directory: Path) -> Iterator[tuple[Service, Program]]:
    with running_worker(directory, SCHEDULER_IMPORTS="secret_tasks", DB_PASSWORD=PASSWORD) as running:
        yield running


@pytest.fixture
def shop(worker: tuple[Service, Program], directory: Path) -> Iterator[Shop]:
    with open_shop(*worker, directory) as opened:
        yield opened


def run(shop: Shop, task: str, *args: Any, **fields: Any) -> Run:
    """A run of a schedule that the file declares."""
    name = f"s{next(NUMBERS)}"
    wanted = declared(name, **{"task": task, "args": list(args), "every": "1h"} | fields)
    shop.store.write([Write(name, None, entry_of(wanted, "file", now=clock()))])
    return shop.ended(shop.dispatcher.run_now(shop.store.get(name), "ann"))


def everything(shop: Shop) -> str:
    """All that Redis holds, and all that the worker said."""
    found = [shop.worker.output()]
    for key in shop.client.scan_iter("*"):
        found += [str(key), str(shop.client.dump(key))]
        read = {
            "string": shop.client.get,
            "hash": shop.client.hgetall,
            "list": lambda key: shop.client.lrange(key, 0, -1),
            "zset": lambda key: shop.client.zrange(key, 0, -1),
            "stream": shop.client.xrange,
            "set": shop.client.smembers,
        }
        kind = shop.client.type(key)  # none for a key that expired meanwhile
        found.append(str(read[kind](key)) if kind in read else "")
    return "\n".join(found)


def assert_nothing_shows(shop: Shop) -> None:
    shown = everything(shop)
    for secret in ("hunter2", TOKEN):
        assert secret not in shown, shown[max(0, shown.index(secret) - 300) :][:600]


def test_the_body_has_the_values_and_everybody_else_the_references(shop: Shop, directory: Path) -> None:
    file = f"${{file:{directory / 'token'}}}"
    kwargs = {"options": {"list": [file, "$${HOME}", 5], "${DB_PASSWORD}": None}}
    ended = run(shop, "secrets.use", "postgres://me:${DB_PASSWORD}@db", kwargs=kwargs)
    assert ended.outcome == "succeeded"
    options = {"list": [TOKEN, "${HOME}", 5], "${DB_PASSWORD}": None}
    assert (directory / "seen").read_text() == repr((f"postgres://me:{PASSWORD}@db", options))
    assert '"used": ["postgres://me:${DB_PASSWORD}@db"]' in ended.result
    assert shop.result(ended.task_id)["args"] == ["postgres://me:${DB_PASSWORD}@db"]
    assert_nothing_shows(shop)


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("secrets.fail", "RuntimeError: cannot use x${DB_PASSWORD}"),
        (
            "secrets.command",
            """CalledProcessError: Command '['false', "x${DB_PASSWORD}"]' returned non-zero exit status 1.""",
        ),
    ],
)
def test_an_error_tells_the_reference_and_not_its_value(shop: Shop, task: str, said: str) -> None:
    ended = run(shop, task, "x${DB_PASSWORD}")
    assert (ended.outcome, ended.result) == ("failed", said)
    assert "secret_tasks.py" in ended.traceback
    assert_nothing_shows(shop)


def test_a_run_that_is_tried_again_has_the_values_again(shop: Shop, directory: Path) -> None:
    for _ in range(5):  # the next attempt may begin before the one before has ended
        assert run(shop, "secrets.again", "x${DB_PASSWORD}").outcome == "succeeded"
    assert (directory / "seen").read_text() == f"x{PASSWORD}"
    ended = run(shop, "secrets.fail", "x${DB_PASSWORD}", retries=1)
    assert (ended.outcome, ended.attempt) == ("failed", 2)
    assert_nothing_shows(shop)


def test_a_failed_program_that_prints_a_secret_keeps_its_output_without_it(shop: Shop) -> None:
    argv = ["sh", "-c", """printf 'before\\n%s\\nafter\\n' "$1"; exit 3""", "sh", "x${DB_PASSWORD}"]
    ended = run(shop, "scheduler.tasks.run_command", kwargs={"argv": argv})
    assert ended.result == "TaskFailed: 'sh' failed with exit code 3: after\nbefore\nx${DB_PASSWORD}\nafter\n"
    assert PASSWORD not in shop.worker.output()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("${NO_SUCH_VARIABLE}", "${NO_SUCH_VARIABLE} in the arguments: this worker has no environment variable "),
        (
            "${file:/no/such/file}",
            "${file:/no/such/file} in the arguments: this worker cannot read the file: no such file",
        ),
        (
            "${file:/dev/zero}",
            "${file:/dev/zero} in the arguments: this worker cannot read the file: it is not a regular",
        ),
    ],
)
def test_what_the_worker_does_not_have_fails_the_run_with_one_sentence(shop: Shop, written: str, said: str) -> None:
    ended = run(shop, "secrets.use", written, retries=3)
    assert (ended.outcome, ended.attempt, ended.traceback) == ("failed", 1, "")
    assert ended.result.startswith(said)
    assert "Traceback" not in shop.worker.output().rpartition(ended.task_id)[2]


def test_a_schedule_that_the_file_does_not_declare_is_never_filled_in(shop: Shop) -> None:
    with pytest.raises(DamagedEntry, match="only the schedule file may say"):
        shop.add("secrets.use", "${DB_PASSWORD}")
    entry = shop.add("secrets.use", "plain")
    shop.store.client.hset(
        shop.keys.entry(entry.name), "fields", '{"task": "secrets.use", "every": "1h", "args": ["${X}"]}'
    )
    with pytest.raises(RefusedChange, match="only the schedule file may say"):
        shop.dispatcher.run_now(shop.store.get(entry.name), "ann")


def test_a_call_from_a_program_keeps_what_it_says(shop: Shop, directory: Path) -> None:
    called = shop.app.tasks["secrets.use"] if "secrets.use" in shop.app.tasks else shop.app.signature("secrets.use")
    result = called.apply_async(args=["${DB_PASSWORD}"])
    assert result.get(timeout=30) == {"used": ["${DB_PASSWORD}"], "options": None}
    assert (directory / "seen").read_text() == "('${DB_PASSWORD}', None)"


def test_a_message_with_our_headers_makes_no_worker_read_a_file(shop: Shop, directory: Path) -> None:
    """Neither as the run that it names, nor in its place."""
    file, identity = f"${{file:{directory / 'token'}}}", "job@2026-01-01T00:00:00Z"
    headers = {"scheduler_run": identity, "scheduler_references": True}
    call = shop.app.signature("secrets.use", args=[file], headers=headers)
    assert call.apply_async().get(timeout=30) == {"used": [file], "options": None}  # a call like any other
    assert call.apply_async().get(timeout=30) == {"used": [file], "options": None}  # the run is not taken by it
    with pytest.raises(Exception, match="did not declare the references"):
        call.apply_async(task_id=task_id(identity)).get(timeout=30)
    until(lambda: shop.ledger.get(identity).outcome == "failed", 30, "the run has failed as its result says")
    assert TOKEN not in everything(shop)
