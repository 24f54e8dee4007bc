"""A real RabbitMQ of the test's own: its node name, ports on loopback, data, and port mapper; no system service."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kombu.connection import Connection
from kombu.exceptions import OperationalError

from tests.support import need
from tests.support.alive import is_stopped
from tests.support.polling import until

# Debian's command on PATH changes the user and wants its own directories; this is what it calls in the end.
BEHIND_THE_COMMAND = "/usr/lib/rabbitmq/bin"


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, below those from which the system gives one to every client."""
    found: list[int] = []
    for port in random.sample(range(20_000, 30_000), 1000):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("no port is free")


class RabbitServer:
    """Started, stopped, frozen, killed and started again over the same data."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.program = need.program("rabbitmq-server", BEHIND_THE_COMMAND)
        self.port, self.distribution, self.mapper_port = free_ports(3)
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"
        mapper = [need.program("epmd", BEHIND_THE_COMMAND), "-port", str(self.mapper_port), "-address", "127.0.0.1"]
        self.mapper = subprocess.Popen(mapper, env=self.environ, stdin=subprocess.DEVNULL)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def environ(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "ERL_EPMD_PORT": str(self.mapper_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.distribution),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1",
            "RABBITMQ_MNESIA_BASE": str(self.directory / "data"),
            "RABBITMQ_LOG_BASE": str(self.directory / "log"),
            "RABBITMQ_PID_FILE": str(self.directory / "pid"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(self.directory / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.directory / "plugins"),
        }

    @property
    def log(self) -> str:
        return (self.directory / "rabbitmq.log").read_text(errors="replace")

    def start(self) -> None:
        """Start, and wait until it lets clients in."""
        (self.directory / "plugins").write_text("[].\n")
        with (self.directory / "rabbitmq.log").open("ab") as log:
            # A group of its own: the command is a shell script, and the server its child.
            self.process = subprocess.Popen(
                [self.program], env=self.environ, stdout=log, stderr=log, stdin=subprocess.DEVNULL, process_group=0
            )
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and self.process.poll() is None:
            if self.answers():
                return
            time.sleep(0.1)
        raise AssertionError(f"{self.program} does not answer:\n{self.log}")

    def answers(self) -> bool:
        try:
            with self.connection() as connection:
                connection.ensure_connection(max_retries=0)
                return True
        except OperationalError:
            return False

    def connection(self) -> Connection:
        return Connection(self.url, connect_timeout=2)  # type: ignore[no-untyped-call]

    def stop(self) -> None:
        """As an operator stops it."""
        os.kill(int((self.directory / "pid").read_text()), signal.SIGTERM)
        self._wait()

    def kill(self) -> None:
        """As a power cut does."""
        if self.process is not None:
            with suppress(ProcessLookupError):  # it may have given up by itself
                os.killpg(self.process.pid, signal.SIGKILL)
            self._wait()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Within it, the server holds its connections and answers nothing."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGSTOP)
        try:
            until(lambda: is_stopped(int((self.directory / "pid").read_text())), 60, "the server stands still")
            yield
        finally:
            os.killpg(self.process.pid, signal.SIGCONT)

    def _wait(self) -> None:
        assert self.process is not None
        self.process.wait(60)
        self.process = None

    def close(self) -> None:
        try:
            self.kill()
        finally:
            self.mapper.terminate()
            self.mapper.wait(60)
