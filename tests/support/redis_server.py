"""A real Redis of the test's own, on a unix socket in a directory whose path is short enough for one."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from scheduler.errors import ConfigurationError
from scheduler.up.redis_server import find_server
from tests.support import need
from tests.support.polling import until


def program() -> str:
    """Path of a server; or the test does not run."""
    try:
        return find_server(Path())
    except ConfigurationError:
        need.lacks("apt-get install redis-server")


class RedisServer:
    """Started, stopped, killed and started again over the same data."""

    def __init__(self, directory: Path, *, durable: bool = False) -> None:
        self.directory = directory
        self.durable = durable
        self.program = program()
        self.socket = directory / "r.sock"
        self.url = f"redis+socket://{self.socket}"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return (self.directory / "redis.log").read_text(errors="replace")

    def start(self, *options: str) -> None:
        """Start, and wait until it answers; ``options`` are those of redis-server."""
        keep = ["--appendonly", "yes", "--appendfsync", "always"] if self.durable else ["--appendonly", "no"]
        place = ["--port", "0", "--unixsocket", str(self.socket), "--dir", str(self.directory), "--save", ""]
        with (self.directory / "redis.log").open("ab") as log:
            self.process = subprocess.Popen([self.program, *place, *keep, *options], stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            if self.answers():
                return
            time.sleep(0.02)
        raise AssertionError(f"{self.program} does not answer:\n{self.log}")

    def answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def client(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.socket), decode_responses=True)

    def write_to_disk(self) -> None:
        """With ``appendonly``, as `doctor` asks for; it is complete at the end, for no server ends before."""
        with self.client() as client:
            client.config_set("appendfsync", "no")
            client.config_set("appendonly", "yes")
            until(lambda: is_written(client), 60, "the first file is written")

    def fail_to_save(self) -> None:
        """As with a full disk: every write, and every PING, is answered with MISCONF."""
        (self.directory / "dump.rdb" / "in the way").mkdir(parents=True)
        with self.client() as client:
            client.config_set("appendonly", "no")
            client.config_set("save", "3600 1")
            client.bgsave()
            until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", 30, "Redis fails to save")

    def save_nothing(self) -> None:
        """Ends ``fail_to_save``."""
        with self.client() as client:
            client.config_set("save", "")

    def stop(self) -> None:
        """As an operator stops it."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """As a power cut does."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(60)
            self.process = None


def is_written(client: redis.Redis) -> bool:
    told = client.info("persistence")
    return not told["aof_rewrite_in_progress"] and not told["aof_rewrite_scheduled"]


@contextmanager
def redis_server(*, durable: bool = False) -> Iterator[RedisServer]:
    """A server that is gone, with its data, at the end."""
    directory = Path(tempfile.mkdtemp(prefix="s-", dir="/tmp"))
    try:
        server = RedisServer(directory, durable=durable)
        server.start()
        try:
            yield server
        finally:
            server.kill()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
