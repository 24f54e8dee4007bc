"""What `doctor` says of real servers, each of them wrong in one way."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import time_machine
from werkzeug.security import generate_password_hash

from scheduler import celeryapp
from scheduler.admin import create_app
from scheduler.errors import Exit
from scheduler.settings import Settings
from scheduler.status.problems import problems
from scheduler.storage import workers
from scheduler.storage.client import connect
from scheduler.storage.keys import Keys
from scheduler.storage.store import Store
from tests.integration.admin.browser import PASSWORD, Browser, text
from tests.support.health import quarantine
from tests.support.polling import until
from tests.support.redis_kinds import Server, running, sentinel_url, sentinels, servers
from tests.support.service import ROOT, service
from tests.support.shell import Shell
from tests.support.workers import seem_to_work

pytestmark = pytest.mark.xdist_group("redis_kinds")
FILE = """
schedules:
  job: {task: scheduler.tasks.log_it, args: [1, 2], every: 1h}
  broken: {task: scheduler.tasks.run_command, kwargs: {argv: [/bin/sh, -c, echo no disk; exit 1]}, every: 1h}
"""
HASH = generate_password_hash(PASSWORD, method="pbkdf2:sha256:1")  # as weak as it is fast
DURABLE, FILE_IS_WRONG = "Redis has appendonly off", ".*schedules.yaml:3:.*nothing"
BROKEN = "schedule 'job' is quarantined"
FAILING = r"schedule 'broken' is failing: its last run did not succeed \(.*exit.*1.*\)$"
FROZEN = [
    DURABLE,
    "No beat leads",
    "Worker celery@.* does not report",
    "No worker takes from queue 'reports', where a run waits",
    FILE_IS_WRONG,
    BROKEN,
    r"schedule 'job' is late: its run waits in queue 'celery' for more than 5m$",
    FAILING,
]
STOPPED = [DURABLE, "No beat leads", "No worker answers", FILE_IS_WRONG, BROKEN, FAILING]
NO_CONFIG = "user default on nopass ~* &* +@all -config\n"


@pytest.fixture
def directory() -> Iterator[Path]:
    with servers() as made:
        yield made


def told(url: str, directory: Path) -> list[str]:
    """What it says of this Redis, without what it says of beat and workers, which no test here needs."""
    settings = Settings(redis_url=url, state_dir=directory / "state")
    with connect(settings) as client:
        found = problems(Store(client, Keys()), settings)
    return [f"{it.severity}: {it}" for it in found if it.subject not in ("beat", "workers")]


def says(url: str, directory: Path, patterns: list[str]) -> None:
    """Wait until it says that: what replicas and Sentinels know of each other takes seconds to settle."""

    def agree() -> bool:
        found = told(url, directory)
        return len(found) == len(patterns) and all(map(re.fullmatch, patterns, found))

    try:
        until(agree, 20, f"it says {patterns}")
    except AssertionError:
        print(told(url, directory))
        raise


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), []),
        (
            ("--appendonly", "no"),
            [r"warning: Redis has appendonly off, so .*: run `redis-cli -p \d+ config set appendonly yes`.*"],
        ),
        (("--maxmemory-policy", "allkeys-lru"), ["critical: .* allkeys-lru, .*: set maxmemory-policy noeviction"]),
    ],
    ids=["sound", "appendonly", "evicts"],
)
def test_it_tells_of_settings_by_which_schedules_are_lost(
    directory: Path, options: tuple[str, ...], said: list[str]
) -> None:
    with running(server := Server(directory / "m", *options)):
        says(server.url, directory, said)


def test_it_tells_of_a_disk_that_takes_nothing(directory: Path) -> None:
    with running(server := Server(directory / "m")):
        shutil.rmtree(server.directory)
        server.ask("BGSAVE")
        says(server.url, directory, [r"warning: Redis cannot write to disk \(rdb_last_bgsave_status .*"])
        server.directory.mkdir()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), ["warning: Redis has min-replicas-to-write 0, .*: set min-replicas-to-write 1 and .*"]),
        (("--min-replicas-to-write", "1", "--min-replicas-max-lag", "2"), []),
        (("--min-replicas-to-write", "1", "--min-replicas-max-lag", "60"), ["warning: .* for 60 s, .*-max-lag 2"]),
    ],
    ids=["none", "well", "long"],
)
def test_it_tells_how_much_is_lost_where_replicas_are_cut_off(
    directory: Path, options: tuple[str, ...], said: list[str]
) -> None:
    master = Server(directory / "m", *options)
    replica = Server(directory / "s", "--replicaof", f"127.0.0.1 {master.port}")
    with running(master, replica):
        says(master.url, directory, said)
        no_writes = (
            r"critical: Redis at .* accepts no writes: it is a replica \(.*\): set SCHEDULER_REDIS_URL to the .*"
        )
        says(replica.url, directory, [no_writes])


def test_it_says_what_a_user_of_redis_may_not_ask(directory: Path) -> None:
    (directory / "users.acl").write_text(NO_CONFIG)
    options = ("--min-replicas-to-write", "1", "--aclfile", str(directory / "users.acl"))
    master = Server(directory / "m", *options)
    replica = Server(directory / "s", "--replicaof", f"127.0.0.1 {master.port}")
    with running(master, replica):
        says(master.url, directory, ["unknown: .* may not read min-replicas-max-lag: check that it is 2"])


def test_it_tells_of_a_sentinel_that_takes_its_time(directory: Path) -> None:
    with sentinels(directory, "--min-replicas-to-write", "1", "--min-replicas-max-lag", "2") as (_, _, watching):
        says(sentinel_url(watching), directory, [])
        for one in watching:
            one.ask("SENTINEL", "SET", "mymaster", "down-after-milliseconds", "30000")
        says(sentinel_url(watching), directory, ["warning: Sentinel waits 30 s .*: set down-after-mill.*"])


@pytest.mark.parametrize(("ahead", "which"), [(90, "behind"), (-90, "ahead of")])
def test_it_tells_of_clocks_that_differ(directory: Path, ahead: float, which: str) -> None:
    with running(server := Server(directory / "m")), time_machine.travel(time.time() + ahead):
        says(
            server.url,
            directory,
            [rf"warning: The clock of the Redis machine is (89|90)\.\d s {which} .*: run an NTP .*"],
        )


def test_it_tells_of_a_missing_time_zone_database() -> None:
    asked = (
        "import sys; sys.modules['tzdata'] = None; from scheduler.status.problems.zones import look; print(*look(None))"
    )
    done = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("The time zone database is missing: install the package tzdata")


def test_status_doctor_page_and_readiness_name_the_same_faults(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(server := Server(directory / "m")):
        settings = Settings(
            redis_url=server.url,
            file=directory / "schedules.yaml",
            state_dir=directory / "state",
            admin_password_hash=HASH,
            secret_key="0123456789abcdef" * 4,
        )
        settings.file.write_text(FILE)
        monkeypatch.setenv("SCHEDULER_REDIS_URL", server.url)
        shell = Shell(settings, capsys)
        with service(settings) as started, connect(settings) as client, celeryapp.build(settings) as celery:
            page = Browser(create_app(celery))
            page.log_in()
            beat, worker = started.start_both()
            until(lambda: shell("doctor").code == Exit.OK, 60, f"{shell('doctor')}")
            assert shell("status").code == Exit.OK
            ready = page.get("/readyz")
            assert ready.get_json() == {"ok": True, "critical": 0, "warning": 0, "problems": []}, ready.text
            assert shell.apart("run", "broken").code == Exit.OK
            until(lambda: "'broken' is failing" in shell("status").out, 60, "the schedule that fails is named")
            assert {shell(command).code for command in ("status", "doctor")} == {Exit.PROBLEMS}
            worker.popen.send_signal(signal.SIGSTOP)
            settings.file.write_text(FILE.replace("log_it", "nothing"))
            keys = Keys()
            beat.says("Rejected ")
            beat.stop()  # which would look for the messages of the runs below
            server.ask("CONFIG", "SET", "appendonly", "no")
            sent = {"reports": 20.0, "celery": 400.0}
            client.sadd(keys.queues, *sent)
            for queue, age in sent.items():
                client.zadd(keys.sent(queue), {f"job@{queue}": time.time() - age})
            seem_to_work(client, keys, "celery@other", every=60.0)
            quarantine(Store(client, keys), "job", "it is broken")
            until(lambda: "does not report" in shell("status").out, 60, "the frozen worker is named")
            assert settings.run_lease / 3 + workers.GRACE_S < 15, "a worker that hangs is named within 15 s"
            is_same(shell, page, FROZEN)
            worker.popen.send_signal(signal.SIGCONT)
            until(lambda: "does not report" not in shell("status").out, 60, "it reports again")
            worker.stop()
            workers.leave(client, keys, "celery@other")
            is_same(shell, page, STOPPED)
            page.client.application.extensions["scheduler"].store.client.close()
    gone = shell.apart("doctor")
    assert (gone.code, gone.err.count("\n")) == (Exit.UNAVAILABLE, 1)


def is_same(shell: Shell, page: Browser, patterns: list[str]) -> None:
    """Every reader gives these problems, in the same words and order, and fails."""
    told = [shell(command) for command in ("status", "doctor")]
    lines = [[line for line in said.out.splitlines() if line.startswith("problem ")] for said in told]
    assert lines[0] == lines[1]
    as_json = [shell(command, "--json") for command in ("status", "doctor")]
    assert {said.code for said in told + as_json} == {Exit.PROBLEMS}
    problems = as_json[0].json["problems"]
    ready = page.get("/readyz")
    assert problems == as_json[1].json["problems"] == ready.get_json()["problems"]
    assert ready.status_code == 503
    sentences = [problem["sentence"] for problem in problems]
    assert len(sentences) == len(patterns), sentences
    assert [it for it in zip(patterns, sentences, strict=True) if not re.match(*it)] == []
    shown = text(page.get("/schedules"))
    assert all(" ".join(problem["sentence"].split()) in shown for problem in problems)
    assert f"<title>({len(problems)}) Schedules" in page.get("/schedules").text
    assert page.get("/healthz").get_json() == {"ok": True}
