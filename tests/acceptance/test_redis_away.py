"""Redis goes away in every way, under a real beat and a real worker: none ends, and both go on within ten seconds.

An outage of ten minutes takes the path of one that is longer than the lease and than every pause between two attempts,
which are seconds here.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

import pytest
import redis

from scheduler import changes
from scheduler.model import Run
from scheduler.storage.client import connect
from scheduler.storage.keys import Keys
from scheduler.storage.store import Store
from tests.support.polling import until
from tests.support.redis_kinds import Server, running, sentinel_url, sentinels, servers
from tests.support.service import ROOT, Program, Service, service, short_leases

pytestmark = pytest.mark.xdist_group("redis_away")

FILE = "schedules: {canary: {task: scheduler.tasks.log_it, args: [1, 2], every: 1s}}"
RESUMED = 10  #: seconds after the return of Redis in which a run succeeds that fell due after it
SLACK = 15  #: seconds for a machine that has more to do
FAST = {"SCHEDULER_KEEP_RUNS": "1000"}


class Shop:
    """A Redis with beat and a worker over TCP, and a standby and a worker over its unix socket, all at work."""

    def __init__(self, server: Server, started: Service, beat: Program, worker: Program, *others: Program) -> None:
        self.server = server
        self.service = started
        self.beat = beat
        self.worker = worker
        self.others = others

    def snapshots(self) -> str:
        """What the beats wrote: after an outage either may lead."""
        return "".join(path.read_text() for path in self.server.directory.parent.glob("state*/snapshot.json"))


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with servers() as directory, running(server := Server(directory / "m")):
        settings = short_leases(server.url, directory)
        settings.file.write_text(FILE)
        over_the_socket = replace(settings, redis_url=server.socket_url, state_dir=directory / "state2")
        with service(settings, **FAST) as started, service(over_the_socket, **FAST) as beside:
            first = started.start_both()
            standby, worker = beside.start("beat"), beside.start("worker", "--concurrency=2")
            standby.says("Standing by: ")
            worker.says(r" ready\.")
            yield Shop(server, started, *first, standby, worker)


def wait(seconds: float) -> None:
    """The length of an outage."""
    time.sleep(seconds)


def restarted(server: Server) -> None:
    server.stop()
    server.start()


def away_for_longer_than_the_lease(server: Server) -> None:
    server.stop()
    wait(5)
    server.start()


def killed(server: Server) -> None:
    server.stop(signal.SIGKILL)
    server.start()


def restarted_three_times(server: Server) -> None:
    for _ in range(3):
        restarted(server)
        wait(0.7)


def hanging(server: Server) -> None:
    """For longer than any of our timeouts."""
    os.kill(server.pid, signal.SIGSTOP)
    wait(7)
    os.kill(server.pid, signal.SIGCONT)


def slow(server: Server) -> None:
    for _ in range(2):
        server.ask("CLIENT", "PAUSE", 900, "ALL")
        wait(1)


def full(server: Server) -> None:
    server.ask("CONFIG", "SET", "maxmemory", "1mb")
    wait(4)
    server.ask("CONFIG", "SET", "maxmemory", "0")


def unable_to_save(server: Server) -> None:
    """As with a full disk: every write and every PING is answered with MISCONF."""
    in_the_way = server.directory / "dump.rdb" / "in the way"
    in_the_way.mkdir(parents=True)
    server.ask("CONFIG", "SET", "save", "3600 1")
    server.ask("BGSAVE")
    until(lambda: server.ask("INFO", "persistence")["rdb_last_bgsave_status"] == "err", 30, "Redis fails to save")
    wait(4)
    server.ask("CONFIG", "SET", "save", "")
    in_the_way.rmdir()
    in_the_way.parent.rmdir()


def a_replica(server: Server) -> None:
    server.ask("REPLICAOF", "127.0.0.1", "1")
    wait(4)
    server.ask("REPLICAOF", "NO", "ONE")


def without_its_replica(server: Server) -> None:
    server.ask("CONFIG", "SET", "min-replicas-to-write", "1")
    wait(2)
    server.ask("CONFIG", "SET", "min-replicas-to-write", "0")


def busy_with_a_script(server: Server) -> None:
    def loop() -> None:
        with suppress(redis.RedisError):
            server.ask("EVAL", "while true do end", "0")

    server.ask("CONFIG", "SET", "busy-reply-threshold", "100")
    looping = threading.Thread(target=loop)
    looping.start()
    wait(2)
    until(lambda: server.ask("SCRIPT", "KILL") == "OK", 60, "the script ends")
    looping.join()


def without_its_clients(server: Server) -> None:
    for kind in ("normal", "pubsub"):
        server.ask("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")


OUTAGES: list[Callable[[Server], None]] = [
    restarted,
    away_for_longer_than_the_lease,
    killed,
    restarted_three_times,
    hanging,
    slow,
    full,
    unable_to_save,
    a_replica,
    without_its_replica,
    busy_with_a_script,
    without_its_clients,
]
SAYS = "Waiting for Redis"
SAYS_AT_LEAST = {
    "away_for_longer_than_the_lease",
    "hanging",
    "full",
    "unable_to_save",
    "a_replica",
}  #: others may pass unnoticed


def goes_on(started: Service) -> None:
    """Redis is back: soon a run succeeds that falls due after this, as the ledger tells the time."""
    now = time.time()
    finished = started.succeeds_after("canary", now, 120).finished
    assert finished is not None
    assert finished - now < RESUMED + SLACK


def accounted(rows: list[Run]) -> list[float]:
    """The due instants that the rows of the ledger stand for."""
    return sorted(row.due + second for row in rows for second in range(row.count))


@pytest.mark.parametrize("outage", OUTAGES, ids=lambda outage: outage.__name__)
def test_beat_and_worker_wait_say_so_once_and_go_on(shop: Shop, outage: Callable[[Server], None]) -> None:
    shop.service.succeeds_after("canary", time.time(), 60)
    programs = (shop.beat, shop.worker, *shop.others)
    said = [program.count(SAYS) for program in programs]
    began = time.time()
    outage(shop.server)
    goes_on(shop.service)

    times = 3 if outage is restarted_three_times else 1
    for program, before in zip(programs, said, strict=True):
        assert program.popen.poll() is None, program.output()
        assert program.count(SAYS) - before <= times, program.output()
        assert program.count("Traceback") == 0, program.output()
    if outage.__name__ in SAYS_AT_LEAST:
        assert shop.beat.count(SAYS) > said[0]
    for program in programs:
        program.says("Redis answers again", times=program.count(SAYS))

    instants = [instant for instant in accounted(shop.service.runs("canary")) if instant >= began]
    assert instants == [instants[0] + step for step in range(len(instants))], "each second once, and none left out"


def test_all_is_back_after_flushall_within_a_minute_and_the_page_knows(shop: Shop) -> None:
    settings = shop.service.settings
    with connect(settings) as client:
        store = Store(client, Keys(settings.key_prefix))
        fields = {"task": "scheduler.tasks.log_it", "args": [3, 4], "every": "1s"}
        changes.create(store, "page", fields, tasks=None, by="test")
        until(lambda: '"page"' in shop.snapshots(), 60, "the snapshot of the leader, whichever leads, holds it")
        client.flushall()
        flushed = time.time()
        for name in ("canary", "page"):
            shop.service.succeeds_after(name, flushed, 60)
        assert store.get("page").origin == "admin"
        assert "Redis lost all its data" in store.notices()["loss"]
        changes.remove(store, "page", by="test")
    assert shop.beat.popen.poll() is None
    assert shop.worker.popen.poll() is None


def test_beat_and_worker_follow_sentinel_to_another_redis(shop: Shop) -> None:
    with servers() as directory, sentinels(directory) as (master, replica, watching):
        settings = replace(
            shop.service.settings,
            redis_url=sentinel_url(watching),
            state_dir=directory / "state",
        )
        with service(settings, **FAST) as started:
            beat, worker = started.start_both()
            started.succeeds_after("canary", time.time(), 60)
            master.stop(signal.SIGKILL)
            until(lambda: replica.ask("ROLE")[0] == "master", 60, "the replica is promoted")
            goes_on(started)
            for program in (beat, worker):
                assert program.popen.poll() is None
                assert program.count("Traceback") == 0
                assert program.count(SAYS) == 1


def test_a_run_that_goes_on_through_an_outage_longer_than_its_lease_is_neither_lost_nor_run_again(shop: Shop) -> None:
    with servers() as directory, running(server := Server(directory / "m")):
        settings = replace(
            shop.service.settings,
            redis_url=server.url,
            file=directory / "schedules.yaml",
            state_dir=directory / "state",
        )
        long = "{task: scheduler.tasks.count_to, args: [1, 5], every: 52w, on_lost: rerun}"
        settings.file.write_text(f"schedules: {{long: {long}}}")
        with service(settings, SCHEDULER_RUN_LEASE="2") as started:
            _, worker = started.start_both()
            command = [sys.executable, "-m", "scheduler", "run", "long"]
            subprocess.run(command, cwd=ROOT, env=started.environ, timeout=120, check=True)

            def long_is(*outcomes: str) -> bool:
                return any(run.outcome in outcomes for run in started.runs("long"))

            until(lambda: long_is("running"), 60, "it runs")
            server.stop()
            wait(4)
            server.start()
            until(lambda: long_is("succeeded", "failed", "lost"), 60, "it ends")
            (run,) = started.runs("long")
            assert (run.outcome, run.attempt) == ("succeeded", 1)
            assert worker.count("long@|count_to.* received") == 1
