"""The page as its unit starts it: gunicorn with our pidfile, and with signs of life for systemd's watchdog."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from scheduler import changes
from scheduler.admin import serving, turns, whole_requests
from scheduler.errors import Exit
from scheduler.settings import Settings
from scheduler.storage.client import connect
from scheduler.storage.keys import Keys
from scheduler.storage.store import Store
from tests.acceptance.page import Page
from tests.chaos.proxy import proxy
from tests.integration.admin.browser import PASSWORD
from tests.integration.admin.test_start import GOOD, ROOT
from tests.support.notify_socket import NotifySocket
from tests.support.polling import until
from tests.support.redis_server import redis_server
from tests.support.refusals import KINDS, mend

GUNICORN = [sys.executable, "-m", "gunicorn", "--config=python:scheduler.admin.serving", "scheduler.web:app"]


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[NotifySocket]:
    listening = NotifySocket(tmp_path)
    yield listening
    listening.close()


def serve(directory: Path, **environ: str) -> subprocess.Popen[str]:
    command = [*GUNICORN, "--bind=127.0.0.1:0", f"--pid={directory}/admin.pid"]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, **GOOD, **environ}, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def page(tmp_path: Path, systemd: NotifySocket) -> Iterator[subprocess.Popen[str]]:
    """It serves, although the pidfile names a process that lives."""
    (tmp_path / "admin.pid").write_text(f"{os.getpid()}\n")
    with serve(tmp_path, NOTIFY_SOCKET=systemd.path) as process:
        try:
            systemd.hears("STATUS=Serving on http://127.0.0.1:")
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=60)


def test_its_pidfile_is_a_lock(page: subprocess.Popen[str], tmp_path: Path) -> None:
    pidfile = tmp_path / "admin.pid"
    assert pidfile.read_text() == f"{page.pid}\n"
    with serve(tmp_path) as second:
        assert f"another process holds {pidfile}: stop that one" in second.communicate(timeout=60)[1]
        assert second.returncode == Exit.TEMPORARY
    assert pidfile.read_text() == f"{page.pid}\n"
    page.terminate()
    page.wait(60)
    assert not pidfile.exists()


def test_a_page_that_was_killed_keeps_the_next_one_from_nothing(
    page: subprocess.Popen[str], tmp_path: Path, systemd: NotifySocket
) -> None:
    page.kill()
    page.wait(60)
    with serve(tmp_path, NOTIFY_SOCKET=systemd.path) as second:
        systemd.hears("STATUS=Serving on ")
        assert (tmp_path / "admin.pid").read_text() == f"{second.pid}\n"
        second.terminate()
        second.communicate(timeout=60)


def test_the_loop_that_looks_after_its_workers_keeps_the_watchdog_quiet(
    page: subprocess.Popen[str], systemd: NotifySocket
) -> None:
    for _ in range(2):
        systemd.hears("WATCHDOG=1")
    page.send_signal(signal.SIGSTOP)
    systemd.listen()
    with pytest.raises(AssertionError, match="not within"):
        systemd.hears("WATCHDOG=1", seconds=3)
    page.send_signal(signal.SIGCONT)
    systemd.hears("WATCHDOG=1")


def test_its_unit_says_why_redis_refuses_until_it_does_not(tmp_path: Path, systemd: NotifySocket) -> None:
    with redis_server() as redis:
        environ = {"NOTIFY_SOCKET": systemd.path, "SCHEDULER_REDIS_URL": redis.url}
        spoil, meaning, remedy = KINDS["OOM"]
        with serve(tmp_path, **environ) as page:
            try:
                systemd.hears("STATUS=Serving on ")
                spoil(redis)
                systemd.hears("STATUS=Serving on ", ", but waiting for Redis: Redis at unix://", meaning, remedy)
                mend(redis)
                assert "Redis" not in systemd.hears("STATUS=Serving on ")
            finally:
                page.terminate()
                page.communicate(timeout=60)


SLOW = {
    "nothing": b"",
    "half a head": b"POST /login HTTP/1.1\r\nHost: localhost\r\n",
    "half a form": b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\npassword=",
    "an end that is not answered": b"GET /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "half of the next request": b"GET /static/admin.css HTTP/1.1\r\nHost: localhost\r\n\r\nGET /hea",
}


GET_LOGIN = b"GET /login HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """Of a page that several tests share. It tells systemd nothing: a socket that nothing reads would fill up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        os.set_inheritable(listener.fileno(), True)
        command = [*GUNICORN, f"--bind=fd://{listener.fileno()}", f"--pid={tmp_path_factory.mktemp('page')}/admin.pid"]
        with subprocess.Popen(command, cwd=ROOT, env={**os.environ, **GOOD}, pass_fds=(listener.fileno(),)) as process:
            at: tuple[str, int] = listener.getsockname()
            ask(at, GET_LOGIN)  # it accepts connections from here on; before, only so many may wait
            yield at
            process.terminate()
            process.wait(timeout=60)


def ask(address: tuple[str, int], request: bytes, *more: bytes) -> str:
    """The first line of the answer."""
    with socket.create_connection(address, 60) as connection:
        connection.sendall(request)
        for part in more:
            connection.sendall(part)
        return connection.makefile("rb").readline().decode().strip()


def listen(family: str, directory: Path) -> socket.socket:
    if family == "tcp":
        return socket.create_server(("127.0.0.1", 0))
    return socket.create_server(f"{directory}/page.sock", family=socket.AF_UNIX)


@contextmanager
def served(listener: socket.socket, directory: Path, redis_url: str) -> Iterator[None]:
    """The page on this socket, once it answers."""
    os.set_inheritable(listener.fileno(), True)
    command = [*GUNICORN, f"--bind=fd://{listener.fileno()}", f"--pid={directory}/admin.pid"]
    environ = {**os.environ, **GOOD, "SCHEDULER_REDIS_URL": redis_url}
    with subprocess.Popen(command, cwd=ROOT, env=environ, pass_fds=(listener.fileno(),)) as page:
        with call(listener, "/readyz") as first:
            assert first.recv(1), "the page has started"
        try:
            yield
        finally:
            page.terminate()


def call(listener: socket.socket, path: str, *headers: str) -> socket.socket:
    """A connection to the page that has asked for this path."""
    connection = socket.socket(listener.family)
    connection.settimeout(60)
    connection.connect(listener.getsockname())
    connection.sendall("\r\n".join((f"GET {path} HTTP/1.1", "Host: localhost", *headers, "\r\n")).encode())
    return connection


@pytest.mark.parametrize("family", ["tcp", "unix"])
def test_its_health_answers_while_slow_requests_hold_every_thread(tmp_path: Path, family: str) -> None:
    waiting = 6 * serving.threads
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server())
        listener = stack.enter_context(listen(family, tmp_path))
        stack.enter_context(served(listener, tmp_path, redis.url))
        assert redis.process
        redis.process.send_signal(signal.SIGSTOP)
        stack.callback(redis.process.send_signal, signal.SIGCONT)
        slow = [stack.enter_context(call(listener, "/readyz")) for _ in range(waiting)]
        for connection in (call(listener, "/healthz"), call(listener, "/healthz?from=balancer")):
            with connection:
                assert connection.recv(15) == b"HTTP/1.1 200 OK"
        # Behind the slow requests, it would be answered after all but those that hold the threads.
        assert len(select.select(slow, [], [], 0)[0]) < waiting - serving.threads


def test_searches_take_turns_so_that_every_other_page_is_answered_beside_the_slowest(tmp_path: Path) -> None:
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server())
        store = Store(connect(Settings(redis_url=redis.url)), Keys())
        changes.create(store, "one", {"task": "reports.build", "every": "1h"}, tasks=None, by="ann")
        way = stack.enter_context(proxy(redis.directory))
        listener = stack.enter_context(listen("tcp", tmp_path))
        stack.enter_context(served(listener, tmp_path, way.url))
        reader = Page(f"http://127.0.0.1:{listener.getsockname()[1]}")
        reader.log_in(PASSWORD)
        way.hold(b":ended\r\n")  # by which a list is sorted, and no other page is made
        search = ("/schedules?sort=last", reader.cookie, "Accept: application/json", "Connection: close")
        slow = [stack.enter_context(call(listener, *search)) for _ in range(3 * serving.threads)]
        until(lambda: len(way.held) >= turns.AT_ONCE, 60, "searches wait for Redis")
        for path in ("/schedules/one", "/schedules", "/health", "/healthz"):
            assert reader.get(path)
        late = time.monotonic() + turns.MAX_WAIT_S  # these came after the searches, so all of them wait by now
        until(lambda: time.monotonic() > late, 60, "those that wait have waited long enough")
        way.let_go()
        refused = [answer for answer in (it.makefile("rb").read() for it in slow) if b"Too many searches" in answer]
        assert len(refused) >= len(slow) - turns.AT_ONCE
        assert all(b" 503 " in answer and b"Retry-After: 5" in answer for answer in refused)
        assert "one" in reader.get("/schedules?sort=last")


@pytest.mark.parametrize("begin", SLOW.values(), ids=SLOW)
def test_forty_slow_connections_stop_neither_the_page_nor_its_health(address: tuple[str, int], begin: bytes) -> None:
    with ExitStack() as stack:
        for _ in range(40):
            connection = stack.enter_context(socket.create_connection(address, 60))
            connection.sendall(begin)
        for path in ("/login", "/healthz"):
            answer = ask(address, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert answer.split()[1] in ("200", "503")


def test_of_too_many_connections_that_wait_the_first_is_closed(address: tuple[str, int]) -> None:
    with ExitStack() as stack:
        first, *_ = [
            stack.enter_context(socket.create_connection(address, 60)) for _ in range(whole_requests.MAX_ARRIVING + 1)
        ]
        assert first.recv(1) == b""


def test_a_form_may_come_in_parts_and_be_large(address: tuple[str, int]) -> None:
    form = b"password=" + b"x" * 200_000
    head = (
        f"POST /login HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\nContent-Length: {len(form)}\r\n\r\n"
    )
    parts = [form[at : at + 20_000] for at in range(0, len(form), 20_000)]
    assert ask(address, head.encode(), *parts) == "HTTP/1.1 401 UNAUTHORIZED"


@pytest.mark.parametrize(
    ("header", "answer"),
    [
        ("Transfer-Encoding: chunked", "HTTP/1.1 411 Length Required"),
        ("Content-Length: 9999999", "HTTP/1.1 413 Content Too Large"),
    ],
)
def test_a_body_that_could_hold_a_thread_is_refused_before_it_gets_one(
    address: tuple[str, int], header: str, answer: str
) -> None:
    assert ask(address, f"POST /login HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n".encode()) == answer


def test_one_connection_serves_several_requests(address: tuple[str, int]) -> None:
    request = b"GET /static/admin.css HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.create_connection(address, 60) as connection:
        for _ in range(3):
            connection.sendall(request)
            connection.recv(65536)
        connection.sendall(request + request)
        answers = b""
        while answers.count(b"HTTP/1.1 200 OK") < 2:
            answers += connection.recv(65536)
