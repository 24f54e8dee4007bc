"""Real Redis servers over TCP: plain, with TLS, with users, watched by Sentinels. They come from Debian's redis-server.

The server that the other tests use has neither TLS nor a Sentinel.
"""

from __future__ import annotations

import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import redis

from tests.support import need
from tests.support.polling import until


def free_port() -> int:
    """So low that no connection takes it, or that of a cluster 10,000 above, while a server is away."""
    while True:
        with suppress(OSError), socket.create_server(("127.0.0.1", secrets.randbelow(12_000) + 10_000)) as listener:
            return int(listener.getsockname()[1])


class Server:
    """One redis-server or Sentinel on a port of 127.0.0.1, with a directory of its own."""

    def __init__(self, directory: Path, *options: str, client: dict[str, Any] | None = None) -> None:
        self.directory = directory
        self.port = free_port()
        self.options = options
        self.client_options = client or {}
        self.program = need.program("redis-server")
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def socket_url(self) -> str:
        """The same server on its unix socket."""
        return f"redis+socket://{self.directory}/r.sock"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def command(self) -> list[str]:
        place = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.directory)]
        place += ["--unixsocket", str(self.directory / "r.sock")]
        return [self.program, *place, "--save", "", "--appendonly", "yes", *self.options]

    def start(self) -> Server:
        self.directory.mkdir(exist_ok=True)
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log)
        until(self.answers, 60, f"an answer of {' '.join(self.command())}\n{(self.directory / 'log').read_text()}")
        return self

    def answers(self) -> bool:
        try:
            return bool(self.ask("PING"))
        except redis.RedisError:
            return False

    def client(self, **options: Any) -> redis.Redis:
        return redis.Redis(port=self.port, decode_responses=True, **{**self.client_options, **options})

    def ask(self, *command: str | int, **options: Any) -> Any:
        """The answer to one command, on a connection of its own."""
        with self.client(**options) as client:
            return client.execute_command(*command)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(60)
            self.process = None


class SentinelServer(Server):
    """A Sentinel that watches one Redis, and takes it for down after a second."""

    def __init__(self, directory: Path, master: Server, *lines: str) -> None:
        super().__init__(directory)
        self.lines = (
            f"sentinel monitor mymaster 127.0.0.1 {master.port} 2",
            "sentinel down-after-milliseconds mymaster 1000",
            "sentinel failover-timeout mymaster 3000",
            *lines,
        )

    def command(self) -> list[str]:
        return [self.program, str(self.directory / "sentinel.conf"), "--sentinel"]

    def facts(self) -> dict[str, str]:
        """What it knows of the Redis that it watches."""
        told = self.ask("SENTINEL", "MASTER", "mymaster")
        return told if isinstance(told, dict) else dict(zip(told[::2], told[1::2], strict=True))

    def start(self) -> Server:
        self.directory.mkdir(exist_ok=True)
        mine = ("bind 127.0.0.1", f"port {self.port}", f"dir {self.directory}")
        (self.directory / "sentinel.conf").write_text("\n".join((*mine, *self.lines)) + "\n")
        return super().start()


@contextmanager
def servers() -> Iterator[Path]:
    """A directory for servers; every one that was started in it is killed at the end."""
    directory = Path(tempfile.mkdtemp(prefix="k-", dir="/tmp"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def running(*started: Server) -> Iterator[None]:
    """Start these, and kill them at the end."""
    try:
        for server in started:
            server.start()
        yield
    finally:
        for server in started:
            server.stop(signal.SIGKILL)


@contextmanager
def sentinels(directory: Path, *options: str) -> Iterator[tuple[Server, Server, list[SentinelServer]]]:
    """One Redis, its replica, and three Sentinels that agreed on both."""
    master = Server(directory / "m", *options)
    replica = Server(directory / "s", "--replicaof", f"127.0.0.1 {master.port}", *options)
    watching = [SentinelServer(directory / f"w{number}", master) for number in range(3)]
    with running(master, replica, *watching):

        def agree() -> bool:
            found = [sentinel.facts() for sentinel in watching]
            return all((facts["num-slaves"], facts["num-other-sentinels"]) == ("1", "2") for facts in found)

        until(agree, 60, "the Sentinels know each other and the replica")
        yield master, replica, watching


def sentinel_url(watching: list[SentinelServer]) -> str:
    return f"sentinel://{','.join(f'127.0.0.1:{sentinel.port}' for sentinel in watching)}/mymaster/0"


def certificates(directory: Path) -> Path:
    """A CA, and a certificate of it for 127.0.0.1: ``ca.pem``, ``server.pem``, ``server.key``."""
    openssl = need.program("openssl")
    (directory / "san.cnf").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    new_key = ["-newkey", "rsa:2048", "-nodes"]
    commands = (
        ["req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Test CA"],
        ["req", *new_key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=redis"],
        [
            *("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"),
            *("-out", "server.pem", "-days", "2", "-extfile", "san.cnf"),
        ],
    )
    for arguments in commands:
        subprocess.run([openssl, *arguments], cwd=directory, check=True, capture_output=True)
    return directory
