"""What `doctor` says of real servers, each of them wrong in one way."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import time_machine

from scheduler.errors import Exit
from scheduler.settings import Settings
from scheduler.status.doctor import examine
from scheduler.storage.client import connect
from scheduler.storage.keys import Keys
from tests.support.polling import until
from tests.support.redis_kinds import Server, running, sentinel_url, sentinels, servers
from tests.support.service import ROOT, service
from tests.support.shell import Shell

pytestmark = pytest.mark.xdist_group("redis_kinds")
FILE = "schedules: {job: {task: scheduler.tasks.log_it, args: [1, 2], every: 1h}}"
NO_CONFIG = "user default on nopass ~* &* +@all -config\n"


@pytest.fixture
def directory() -> Iterator[Path]:
    with servers() as made:
        yield made


def told(url: str, directory: Path) -> list[str]:
    """What it says of this Redis, without what it says of beat, which no test here needs."""
    settings = Settings(redis_url=url, state_dir=directory / "state")
    with connect(settings) as client:
        found = examine(client, Keys(), settings, ask_workers=lambda: True)
    return [f"{finding.severity}: {finding}" for finding in found if "No beat leads" not in finding.what]


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
            [r"problem: Redis has appendonly off, so .*: run `redis-cli -p \d+ config set appendonly yes`.*"],
        ),
        (("--maxmemory-policy", "allkeys-lru"), ["problem: .* allkeys-lru, .*: set maxmemory-policy noeviction"]),
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
        says(server.url, directory, [r"problem: Redis cannot write to disk \(rdb_last_bgsave_status .*"])
        server.directory.mkdir()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), ["problem: Redis has min-replicas-to-write 0, .*: set min-replicas-to-write 1 and .*"]),
        (("--min-replicas-to-write", "1", "--min-replicas-max-lag", "2"), []),
        (("--min-replicas-to-write", "1", "--min-replicas-max-lag", "60"), ["problem: .* for 60 s, .*-max-lag 2"]),
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
        no_writes = r"problem: Redis at .* accepts no writes: it is a replica \(.*\): set SCHEDULER_REDIS_URL to the .*"
        says(replica.url, directory, [no_writes, "unknown: Beat and the workers wait for Redis .*"])


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
        says(sentinel_url(watching), directory, ["problem: Sentinel waits 30 s .*: set down-after-mill.*"])


@pytest.mark.parametrize(("ahead", "which"), [(90, "behind"), (-90, "ahead of")])
def test_it_tells_of_clocks_that_differ(directory: Path, ahead: float, which: str) -> None:
    with running(server := Server(directory / "m")), time_machine.travel(time.time() + ahead):
        says(
            server.url,
            directory,
            [rf"problem: The clock of the Redis machine is (89|90)\.\d s {which} .*: run an NTP .*"],
        )


def test_it_tells_of_a_missing_time_zone_database() -> None:
    asked = "import sys; sys.modules['tzdata'] = None; from scheduler.status.doctor import zones; print(*zones())"
    done = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("The time zone database is missing: install the package tzdata")


def test_it_is_content_while_beat_and_a_worker_are_there_and_names_what_is_not(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(server := Server(directory / "m")):
        settings = Settings(redis_url=server.url, file=directory / "schedules.yaml", state_dir=directory / "state")
        settings.file.write_text(FILE)
        monkeypatch.setenv("SCHEDULER_REDIS_URL", server.url)
        shell = Shell(settings, capsys)
        with service(settings) as started:
            beat, worker = started.start_both()
            until(lambda: shell.apart("doctor").code == Exit.OK, 60, f"{shell.apart('doctor')}")
            beat.stop()
            worker.stop()
            said = shell.apart("doctor", "--json")
        assert (said.code, said.json["ok"]) == (Exit.PROBLEMS, False)
        whats = [finding["what"] for finding in said.json["findings"]]
        assert whats == ["No beat leads, so nothing is sent", "No worker answers, so no run starts"]
    gone = shell.apart("doctor")
    assert (gone.code, gone.err.count("\n")) == (Exit.UNAVAILABLE, 1)
