"""Every command while a real Redis refuses: it reads what can be read, and says why it cannot write."""

from __future__ import annotations

import pytest

from scheduler.cli import common
from scheduler.errors import Exit
from scheduler.settings import Settings
from scheduler.storage.client import connect
from scheduler.storage.keys import Keys
from scheduler.storage.store import Store
from tests.support.redis_server import RedisServer
from tests.support.refusals import KINDS, READABLE
from tests.support.shell import JOB, Said, Shell, add

READERS = (("list",), ("history", "job"), ("next", "job"), ("plan",))
WRITERS = (("pause", "job"), ("skip", "job"), ("apply",))


@pytest.fixture(autouse=True)
def job(shell: Shell, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A schedule to act on, and a file that would add another."""
    monkeypatch.setattr(common, "REFUSAL_WAIT_S", 0.1)
    shell.file(JOB, JOB.replace("job", "new"))
    with connect(settings) as client:
        add(Store(client, Keys(settings.key_prefix)))


def says(line: str, kind: str) -> bool:
    """Whether the line gives the meaning and the remedy of this kind."""
    _, meaning, remedy = KINDS[kind]
    return meaning in line and remedy in line


def is_refused(said: Said, kind: str) -> None:
    (line,) = said.err.splitlines()
    assert says(line, kind)
    assert said.code == (Exit.CONFIG if kind == "NOPERM" else Exit.UNAVAILABLE)


@pytest.mark.parametrize("kind", READABLE)
def test_what_only_reads_works_on_a_redis_that_accepts_no_writes_and_the_reason_is_shown(
    shell: Shell, own_redis: RedisServer, kind: str
) -> None:
    KINDS[kind][0](own_redis)
    status, listed, doctor = shell("status"), shell("list"), shell("doctor")
    problems = [line for line in status.out.splitlines() if line.startswith("problem ")]
    assert len(problems) == 1, "beat may run and wait: nothing says that it does not"
    assert says(problems[0], kind)
    assert status.code == Exit.PROBLEMS
    assert "job " in listed.out
    assert says(listed.err, kind)
    assert says(doctor.out, kind)
    assert doctor.code == Exit.PROBLEMS
    assert "No beat leads" not in doctor.out
    assert "No worker answers" not in doctor.out
    for command in READERS:
        said = shell(*command)
        assert said.code in (Exit.OK, Exit.CHANGES)
    for command in WRITERS:
        is_refused(shell(*command), kind)
    is_refused(shell.apart("run", "job"), kind)


@pytest.mark.parametrize("kind", sorted({*KINDS} - {*READABLE, "NOPERM"}))
def test_every_command_but_check_ends_with_the_sentence_of_the_refusal(
    shell: Shell, own_redis: RedisServer, kind: str
) -> None:
    KINDS[kind][0](own_redis)
    for command in (("status",), ("doctor",), *READERS, *WRITERS):
        is_refused(shell(*command), kind)
    assert shell("check").code == Exit.OK
