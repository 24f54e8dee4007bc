"""How gunicorn serves the page: ``gunicorn --config=python:scheduler.admin.serving scheduler.web:app``.

Its settings are the names of this module; what the command line says comes before them.
"""

from __future__ import annotations

from typing import Any

from gunicorn import arbiter

from scheduler.process import notify
from scheduler.process.pidfile import PidFile

bind = "127.0.0.1:8000"
worker_class = "gthread"
threads = 8
preload_app = True
control_socket_disable = True


class AdminPidFile(PidFile):
    """The same lock under the names that gunicorn calls."""

    def create(self, _: int) -> None:
        self.acquire()

    def unlink(self) -> None:
        self.release()


def when_ready(server: Any) -> None:
    """Say where the page is, and let the loop that looks after the workers every second feed systemd's watchdog."""
    notify.tell(notify.status(f"the page is at {', '.join(map(str, server.LISTENERS))}"))
    look = server.murder_workers

    def look_and_tell() -> None:
        notify.alive()
        look()

    server.murder_workers = look_and_tell


arbiter.Pidfile = AdminPidFile
