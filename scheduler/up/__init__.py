"""``python3 -m scheduler up``: a private Redis, beat, a worker and the admin, run from one terminal.

For trying out and for development; systemd runs the same commands in production.
"""

from __future__ import annotations

import sys

from scheduler.settings import Settings
from scheduler.storage.client import check_server, connect
from scheduler.up import web
from scheduler.up.front import in_front
from scheduler.up.redis_server import find_server
from scheduler.up.service import Service
from scheduler.up.starter import write_first_file
from scheduler.up.state import StateDirectory


def run(settings: Settings, *, port: int | None = None, host: str = "127.0.0.1") -> int:
    """Run the whole service until Ctrl-C or SIGTERM and return the exit code.

    Raises, before any process is started: CannotWrite, AlreadyRunning, CannotListen if `port` is taken,
    RedisUnavailable or ConfigurationError for a Redis that is refused, too old or not to be found.
    """
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
