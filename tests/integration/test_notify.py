"""What beat and worker tell systemd: ready when they are, alive while they wait, and a sentence that is true."""

from __future__ import annotations

import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from scheduler.process import notify
from scheduler.settings import Settings
from tests.support.alive import state
from tests.support.notify_socket import NotifySocket
from tests.support.polling import until
from tests.support.redis_server import RedisServer
from tests.support.redis_server import redis_server as run_redis
from tests.support.refusals import KINDS, READABLE, mend
from tests.support.service import Service, service

FILE = """\
schedules:
  report: {task: scheduler.tasks.log_it, every: 1h, args: [1, 2]}
  other: {task: scheduler.tasks.log_it, every: 2h, args: [1, 2]}
"""


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[NotifySocket]:
    listening = NotifySocket(tmp_path)
    yield listening
    listening.close()


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """One that is not empty for others, so that it may be stopped."""
    with run_redis() as server:
        yield server


@pytest.fixture
def running(redis: RedisServer, systemd: NotifySocket, tmp_path: Path) -> Iterator[Service]:
    (tmp_path / "schedules.yaml").write_text(FILE)
    settings = Settings(
        redis_url=redis.url, file=tmp_path / "schedules.yaml", state_dir=tmp_path, lease=3.0, max_interval=1.0
    )
    with service(settings, NOTIFY_SOCKET=systemd.path) as made:
        yield made


def test_a_systemd_that_does_not_read_holds_nobody_up(systemd: NotifySocket, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(systemd, monkeypatch)
    monkeypatch.setattr(notify, "_is_ready", True)
    telling = threading.Thread(target=notify.ready, args=("told again",), daemon=True)
    telling.start()
    telling.join(60)
    assert not telling.is_alive()
    assert not any("told again" in one for one in systemd.listen())


@pytest.mark.parametrize(
    ("tell", "line"),
    [
        (partial(notify.ready, "told once"), "STATUS=told once"),
        (notify.reloading, "RELOADING=1"),
        (notify.reloaded, "READY=1"),
        (partial(notify.stopping, "it ends", 1.0), "STOPPING=1"),
    ],
    ids=["ready", "reloading", "reloaded", "stopping"],
)
def test_what_systemd_waits_for_is_told_also_if_it_reads_it_a_little_later(
    systemd: NotifySocket, monkeypatch: pytest.MonkeyPatch, tell: Callable[[], None], line: str
) -> None:
    fill(systemd, monkeypatch)
    monkeypatch.setattr(notify, "_is_ready", False)
    reading = threading.Timer(1.0, systemd.listen)
    reading.start()
    tell()
    reading.join()
    systemd.hears(line)


def fill(systemd: NotifySocket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send as much as fits to a systemd that does not read."""
    monkeypatch.setenv("NOTIFY_SOCKET", systemd.path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other, suppress(BlockingIOError):
        other.setblocking(False)
        while True:
            other.sendto(b"", systemd.path)


def test_a_leader_tells_how_many_schedules_it_has_and_which_comes_next(running: Service, systemd: NotifySocket) -> None:
    beat = running.start("beat")
    assert "· 2 schedules · next " in systemd.hears("READY=1", "STATUS=leader since ", "schedules · next ")
    assert systemd.hears("WATCHDOG=1")
    beat.popen.terminate()
    systemd.hears("STATUS=stopped")


def test_a_leader_tells_of_a_wrong_file_until_it_is_mended(running: Service, systemd: NotifySocket) -> None:
    running.start("beat")
    systemd.hears("STATUS=leader since ")
    running.settings.file.write_text(FILE + "  third: {corn: 1}\n")
    systemd.hears("READY=1", "STATUS=schedules.yaml is wrong, kept the last good: leader since ", "2 schedules")
    running.settings.file.write_text(FILE)
    systemd.hears("STATUS=leader since ")


def test_a_reload_is_told_of_from_its_beginning_to_its_end(running: Service, systemd: NotifySocket) -> None:
    beat = running.start("beat")
    systemd.hears("STATUS=leader since ")
    asked = time.monotonic_ns() // 1000
    beat.popen.send_signal(signal.SIGHUP)
    told = systemd.hears("RELOADING=1")
    assert asked <= int(told.removeprefix("RELOADING=1\nMONOTONIC_USEC=")) <= time.monotonic_ns() // 1000
    until(lambda: "READY=1" in systemd.listen()[systemd.heard.index(told) :], 10, "the reload ended")
    assert beat.popen.poll() is None


def test_a_standby_is_ready_and_names_the_leader(running: Service, systemd: NotifySocket) -> None:
    first = running.start("beat")
    systemd.hears("READY=1", "STATUS=leader")
    running.start("beat2")
    systemd.hears("READY=1", f":{first.pid} leads")
    systemd.hears("WATCHDOG=1", f":{first.pid} leads")


@pytest.mark.parametrize("name", ["beat", "worker"])
def test_a_start_goes_on_while_redis_is_away(
    running: Service, systemd: NotifySocket, redis: RedisServer, name: str
) -> None:
    redis.stop()
    running.start(name)
    told = systemd.hears("EXTEND_TIMEOUT_USEC=30000000", "WATCHDOG=1", "STATUS=waiting for Redis")
    systemd.hears("WATCHDOG=1", "STATUS=waiting for Redis")
    assert not any("READY=1" in one for one in [told, *systemd.heard])
    redis.start()
    systemd.hears("READY=1")


@pytest.mark.parametrize("name", ["beat", "worker"])
def test_one_that_waits_for_redis_is_alive_and_says_so(
    running: Service, systemd: NotifySocket, redis: RedisServer, name: str
) -> None:
    running.start(name)
    systemd.hears("READY=1")
    redis.stop()
    for _ in range(2):
        systemd.hears("WATCHDOG=1", "STATUS=waiting for Redis")
    redis.start()
    systemd.hears("READY=1", "STATUS=leader" if name == "beat" else "STATUS=takes runs")


@pytest.mark.parametrize(
    ("name", "kind"),
    [("beat", "OOM"), ("beat", "READONLY"), *(("worker", kind) for kind in READABLE)],
)
def test_an_idle_unit_whose_redis_refuses_says_since_when_and_why_it_waits(
    running: Service, systemd: NotifySocket, redis: RedisServer, name: str, kind: str
) -> None:
    program = running.start(name)
    systemd.hears("READY=1")
    spoil, meaning, remedy = KINDS[kind]
    spoil(redis)
    said = systemd.hears("WATCHDOG=1", "STATUS=waiting for Redis since ", meaning, remedy)
    assert re.search(r"STATUS=waiting for Redis since \d\d:\d\d:\d\d: Redis at unix://\S+ ", said)
    mend(redis)
    systemd.hears("READY=1", "STATUS=leader" if name == "beat" else "STATUS=takes runs")
    program.says("Redis answers again")
    assert program.count("Waiting for Redis") == program.count(f"Waiting for Redis: .* {meaning}") == 1
    assert program.count("Traceback") == 0


@pytest.mark.parametrize("pool", ["prefork", "solo"])
def test_a_worker_whose_redis_hangs_notices_and_waits_for_it(
    running: Service, systemd: NotifySocket, redis: RedisServer, pool: str
) -> None:
    """Celery's sign of life to other workers would be tried for ever, and the watchdog would end the worker."""
    running.start("worker", f"--pool={pool}")
    systemd.hears("READY=1")
    assert redis.process
    redis.process.send_signal(signal.SIGSTOP)
    systemd.hears("WATCHDOG=1", "STATUS=waiting for Redis")
    redis.process.send_signal(signal.SIGCONT)
    systemd.hears("READY=1", "STATUS=takes runs")


def test_a_worker_that_notices_by_its_sign_of_life_that_redis_is_gone_waits_for_it(
    running: Service, systemd: NotifySocket, redis: RedisServer
) -> None:
    worker = running.start("worker", "--concurrency=1")
    systemd.hears("READY=1")
    worker.popen.send_signal(signal.SIGSTOP)
    redis.stop()
    time.sleep(2.5)  # when it goes on, that sign is due before its loop looks at the connection
    worker.popen.send_signal(signal.SIGCONT)
    systemd.hears("WATCHDOG=1", "STATUS=waiting for Redis", seconds=20)
    redis.start()
    systemd.hears("READY=1", "STATUS=takes runs")


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_a_worker_is_ready_when_it_takes_runs_and_its_loop_keeps_the_watchdog_quiet(
    running: Service, systemd: NotifySocket, pool: str
) -> None:
    worker = running.start("worker", "--concurrency=1", f"--pool={pool}")
    assert systemd.hears("READY=1").endswith("STATUS=takes runs from celery, 1 at a time")
    for _ in range(2):
        systemd.hears("WATCHDOG=1")
    worker.stop()
    assert any("STOPPING=1\nEXTEND_TIMEOUT_USEC=80000000" in one for one in systemd.listen())


def test_what_is_frozen_is_silent(running: Service, systemd: NotifySocket) -> None:
    worker = running.start("worker", "--concurrency=1")
    systemd.hears("READY=1")
    systemd.hears("WATCHDOG=1")
    worker.popen.send_signal(signal.SIGSTOP)
    until(lambda: state(worker.pid) == "T", 60, "the worker is frozen")
    systemd.pass_over()
    with pytest.raises(AssertionError, match="not within"):
        systemd.hears("WATCHDOG=1", seconds=3)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-3, "now"), (0.4, "now"), (40, "in 40 s"), (119, "in 119 s"), (240, "in 4 min"), (7200, "in 2 h")],
)
def test_the_time_until_the_next_run_is_told_in_words(seconds: float, words: str) -> None:
    assert notify.in_words(seconds) == words


def test_a_status_is_one_line() -> None:
    assert notify.status("a\nb") == "STATUS=a b"
