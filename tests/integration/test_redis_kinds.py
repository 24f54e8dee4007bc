"""Every kind of Redis that SCHEDULER_REDIS_URL can name, on real servers; and the refused, with the reason."""

from __future__ import annotations

import logging
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from celery import Celery
from celery.schedules import schedule as interval
from kombu import pools
from kombu.entity import Queue
from redbeat import RedBeatSchedulerEntry

from scheduler import celeryapp
from scheduler.errors import ConfigurationError, Exit
from scheduler.registry import signatures
from scheduler.sending.headers import RUN_HEADER
from scheduler.settings import Settings
from scheduler.storage.client import AWAY, check_server, connect
from tests.support.beats import lead, leads, running_beat
from tests.support.polling import until
from tests.support.redis_kinds import SentinelServer, Server, certificates, running, sentinel_url, sentinels, servers
from tests.support.service import ROOT, service

pytestmark = [
    pytest.mark.xdist_group("redis_kinds"),
    pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning"),  # Celery's own
]
COMMANDS = ("list", "status", "next job", "run job", "history job", "pause job", "resume job", "apply", "doctor")
FILE = "schedules: {job: {task: scheduler.tasks.log_it, args: [1, 2], every: 1s, overlap: allow}}"


@pytest.fixture
def directory() -> Iterator[Path]:
    with servers() as made:
        yield made


def settings_for(directory: Path, url: str) -> Settings:
    settings = Settings(redis_url=url, file=directory / "schedules.yaml", state_dir=directory / "state")
    settings.file.write_text(FILE)
    settings.check()
    return settings


@contextmanager
def application(settings: Settings) -> Iterator[Celery]:
    app = celeryapp.build(settings)
    signatures(app)
    try:
        yield app
    finally:
        app.backend.client.close()
        app.close()
        pools.reset()  # type: ignore[no-untyped-call]


def works_with_each_library(settings: Settings) -> None:
    """Beat sends over redis-py, kombu takes what it sent, Celery keeps a result, RedBeat reads and saves an entry."""
    with application(settings) as app, running_beat(app) as beat:
        check_server(beat.client, settings)
        until(lambda: leads(beat) and lead(beat) >= 0 and beat.client.llen("celery"), 60, "beat sends")
        with app.connection_for_read() as connection, connection.channel() as channel:
            message = Queue("celery")(channel).get()  # type: ignore[no-untyped-call]
            assert message.headers[RUN_HEADER].startswith("job@")
            message.ack()
        app.backend.store_result("an-id", 42, "SUCCESS")
        assert app.AsyncResult("an-id").get(timeout=60) == 42
        assert RedBeatSchedulerEntry.from_key("redbeat:job", app=app).task == "scheduler.tasks.log_it"
        RedBeatSchedulerEntry("theirs", "scheduler.tasks.log_it", interval(60), args=[1, 2], app=app).save()
        assert "theirs" in beat.context.store.names()
        app.redbeat_redis.close()


def test_a_socket_with_a_password_and_another_database(directory: Path) -> None:
    socket = directory / "r.sock"
    server = Server(
        directory / "m", "--unixsocket", str(socket), "--requirepass", "p@ss/word", client={"password": "p@ss/word"}
    )
    with running(server):
        works_with_each_library(settings_for(directory, f"unix://:p%40ss%2Fword@{socket}?db=3"))
        assert server.ask("DBSIZE") == 0, "nothing went to another database"
        assert server.ask("DBSIZE", db=3) > 0


@contextmanager
def tls_server(directory: Path, *options: str) -> Iterator[Server]:
    """On its port it speaks TLS only."""
    made = certificates(directory)
    tls = {"ssl": True, "ssl_ca_certs": str(made / "ca.pem")}
    server = Server(
        directory / "m", *options, client=tls | ({"username": "admin", "password": "admin"} if options else {})
    )
    keys = ("--tls-cert-file", str(made / "server.pem"), "--tls-key-file", str(made / "server.key"))
    server.options += ("--tls-port", str(server.port), "--port", "0", "--tls-auth-clients", "no", *keys)
    server.options += ("--tls-ca-cert-file", str(made / "ca.pem"))
    with running(server):
        yield server


def test_tls_with_a_ca_of_ones_own(directory: Path) -> None:
    with tls_server(directory) as server:
        ca = directory / "ca.pem"
        works_with_each_library(settings_for(directory, f"rediss://127.0.0.1:{server.port}/0?ssl_ca_certs={ca}"))
        unknown = settings_for(directory, f"rediss://127.0.0.1:{server.port}/0")
        with connect(unknown) as client, pytest.raises(AWAY, match="certificate verify failed"):
            client.ping()


def test_sentinel_finds_the_redis_also_when_the_first_of_them_is_down_and_after_a_failover(directory: Path) -> None:
    with sentinels(directory) as (master, replica, watching):
        settings = settings_for(directory, sentinel_url(watching))
        works_with_each_library(settings)
        watching[0].stop(signal.SIGKILL)
        works_with_each_library(settings)
        master.stop(signal.SIGKILL)
        with connect(settings) as client:

            def writes() -> bool:
                try:
                    return bool(client.set("x", "1"))
                except AWAY:
                    return False

            until(writes, 60, "a replica was promoted")
        assert replica.ask("ROLE")[0] == "master"
        works_with_each_library(settings)


def test_a_sentinel_that_hangs_is_waited_for_once_and_not_by_each_connection(directory: Path) -> None:
    with sentinels(directory) as (_, _, watching), socket.create_server(("127.0.0.1", 0)) as hung:
        others = sentinel_url(watching).removeprefix("sentinel://")
        settings = settings_for(directory, f"sentinel://127.0.0.1:{hung.getsockname()[1]},{others}")
        with connect(settings) as client:
            client.ping()
        with application(settings) as app:
            for _ in range(10):
                with connect(settings) as client, app.connection_for_read() as kombus:
                    client.ping()
                    kombus.default_channel.client.ping()
        assert connections(hung) == 1, "each try waits for its whole timeout"


def connections(server: socket.socket) -> int:
    """How often a server that answers nobody was connected to."""
    server.setblocking(False)
    number = 0
    with suppress(BlockingIOError):
        while True:
            server.accept()[0].close()
            number += 1
    return number


def readme_rule() -> str:
    """The ACL rule as docs/operations.md gives it."""
    found = re.search(r"^user scheduler on (.+)$", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    assert found
    return found[1]


def test_beat_worker_and_commands_need_no_more_than_the_rule_of_the_readme_and_speak_tls(directory: Path) -> None:
    (directory / "users.acl").write_text(
        f"user default off\nuser admin on >admin ~* &* +@all\nuser scheduler on {readme_rule()}\n"
    )
    with tls_server(directory, "--aclfile", str(directory / "users.acl")) as server:
        password = re.search(r">(\S+)", readme_rule())
        assert password
        place = f"scheduler:{password[1]}@127.0.0.1:{server.port}/0?ssl_ca_certs={directory / 'ca.pem'}"
        settings = settings_for(directory, f"rediss://{place}")
        works_with_each_library(settings)
        with service(settings) as running_service:
            beat, worker = running_service.start_both()
            running_service.succeeds_after("job", time.time(), 60)
            subprocess.run(
                [sys.executable, "-c", f"from scheduler.cli import main; [main(c.split()) for c in {COMMANDS!r}]"],
                cwd=ROOT,
                env=running_service.environ,
                timeout=120,
                check=True,
            )
            beat.stop()
            worker.stop()
            assert "NOPERM" not in beat.output() + worker.output()
        denied = list(server.ask("ACL", "LOG"))
        assert not denied


def test_a_user_that_may_do_too_little_or_a_wrong_password_ends_the_start_with_one_line(directory: Path) -> None:
    (directory / "users.acl").write_text("user default on nopass ~* &* +@all\nuser weak on >weak ~* &* +ping +hello\n")
    server = Server(directory / "m", "--aclfile", str(directory / "users.acl"))
    with running(server):
        for login, reason in (
            ("weak:weak", "no permissions to run the 'info' command"),
            ("weak:no", "WRONGPASS|invalid"),
        ):
            settings = settings_for(directory, f"redis://{login}@127.0.0.1:{server.port}/0")
            with service(settings) as started:
                for program in (started.start("beat"), started.start("worker")):
                    assert program.ends() == Exit.CONFIG
                    lines = [line for line in program.output().splitlines() if line.startswith("scheduler: ")]
                    assert len(lines) == 1
                    assert re.search(f"Redis at .* \\(.*({reason}).*\\): ", lines[0])
                    assert "Traceback" not in program.output()
                    assert f":{login.partition(':')[2]}@" not in program.output()
                    program.log.unlink()


def test_a_cluster_is_refused_with_the_reason(directory: Path) -> None:
    server = Server(directory / "m", "--cluster-enabled", "yes")
    with running(server):
        settings = settings_for(directory, server.url)
        with connect(settings) as client, pytest.raises(ConfigurationError) as refused:
            check_server(client, settings)
        assert "Cluster is not supported, because one step writes keys of several slots" in str(refused.value)
        with service(settings) as started:
            beat = started.start("beat")
            assert beat.ends() == Exit.CONFIG
            assert "Redis Cluster is not supported" in beat.output()


def test_a_sentinel_where_a_redis_is_meant_is_told_how_to_write_it(directory: Path) -> None:
    master = Server(directory / "m")
    sentinel = SentinelServer(directory / "w", master)
    with running(master, sentinel):
        settings = settings_for(directory, sentinel.url)
        with (
            connect(settings) as client,
            pytest.raises(ConfigurationError, match=r"is a Sentinel: write .*sentinel://"),
        ):
            check_server(client, settings)


def test_a_redis_that_evicts_ends_the_start_of_beat_and_worker_with_one_line(directory: Path) -> None:
    server = Server(directory / "m", "--maxmemory-policy", "allkeys-lru")
    with running(server):
        settings = settings_for(directory, server.url)
        with service(settings) as started:
            for program in (started.start("beat"), started.start("worker")):
                assert program.ends() == Exit.CONFIG
                assert "set maxmemory-policy noeviction" in program.output()
                assert "Traceback" not in program.output()


def test_a_redis_that_is_away_at_the_start_and_evicts_ends_beat_when_it_comes(directory: Path) -> None:
    server = Server(directory / "m", "--maxmemory-policy", "allkeys-lru")
    settings = settings_for(directory, server.url)
    with service(settings) as started:
        beat = started.start("beat")
        beat.says("Waiting for Redis")
        with running(server):
            beat.ends()
            assert beat.count("Beat cannot start: .*set maxmemory-policy noeviction") == 1
            assert "Traceback" not in beat.output()


@pytest.mark.parametrize(("host", "told"), [("127.0.0.1", 0), ("localhost", 0), ("0.0.0.0", 1)])
def test_a_redis_that_lets_in_everybody_on_the_network_is_told_once(
    directory: Path, host: str, told: int, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server(directory / "m")
    with running(server):
        settings = settings_for(directory, f"redis://{host}:{server.port}/0")
        with application(settings) as app, running_beat(app) as beat, caplog.at_level(logging.WARNING, "scheduler"):
            beat.max_interval = 0.01
            for _ in range(3):
                beat.tick()
        assert caplog.text.count("accepts anyone who can reach it") == told
