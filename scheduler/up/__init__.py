"""``scheduler up``: runs a private Redis, beat, a worker and the page from one terminal.

For a first try and for development; systemd runs the same commands in production.
"""

from __future__ import annotations

import sys
from pathlib import Path

from scheduler.errors import ConfigurationError
from scheduler.settings import Settings
from scheduler.storage.client import check_server, connect
from scheduler.up import web
from scheduler.up.front import in_front
from scheduler.up.redis_server import find_server
from scheduler.up.service import Service
from scheduler.up.starter import write_first_file
from scheduler.up.state import StateDirectory

PACKAGE = Path(__file__).resolve().parent.parent


def run(settings: Settings, *, port: int | None = None, host: str = "127.0.0.1") -> int:
    """Run the whole service until Ctrl-C or SIGTERM and return the exit code.

    Raises, before any process is started: CannotWrite, AlreadyRunning, CannotListen if `port` is taken,
    RedisUnavailable or ConfigurationError for a Redis that is refused, too old or not to be found.
    """
    refuse_hidden_package()
    state = StateDirectory(settings.state_dir)
    state.prepare()
    with state.locked():
        if settings.redis_is_named:
            check_server(connect(settings), settings)
            server = None
        else:
            server = find_server(state.redis_data)
        if write_first_file(settings, state):
            print(f"scheduler: wrote {settings.file}, a first schedule to edit", file=sys.stderr)
        with web.listen(host, port) as listener:
            service = Service(settings, state, listener, server)
            return in_front(service.run)


def refuse_hidden_package() -> None:
    """Raise ConfigurationError where a module of the user's has our name: every process would import that one."""
    for path in (Path("scheduler.py"), Path("scheduler/__init__.py")):
        if path.exists() and path.parent.resolve() not in (PACKAGE, PACKAGE.parent):
            raise ConfigurationError(
                f"{path.absolute()} hides the package `scheduler`, which this service is: rename it, "
                "or run this in another directory"
            )
