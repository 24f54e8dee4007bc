"""gunicorn's configuration for the page: ``gunicorn --config=python:scheduler.admin.serving scheduler.web:app``.

The names in this module are gunicorn's settings; command-line options override them.
"""

from __future__ import annotations

from typing import Any

from gunicorn import arbiter

from scheduler.process import notify
from scheduler.process.pidfile import PidFile

bind = "127.0.0.1:8000"
worker_class = "scheduler.admin.whole_requests.WholeRequests"
threads = 8
preload_app = True
control_socket_disable = True


class AdminPidFile(PidFile):
    """PidFile with the method names that gunicorn calls."""

    def create(self, _: int) -> None:
        self.acquire()

    def unlink(self) -> None:
        self.release()


def when_ready(server: Any) -> None:
    """Report the address to systemd; feed its watchdog from gunicorn's check of its workers, once a second."""
    notify.tell(notify.status(f"Serving on {', '.join(map(str, server.LISTENERS))}"))
    check_workers = server.murder_workers

    def check_and_feed_watchdog() -> None:
        """Gunicorn calls this about once a second, in its main process."""
        notify.alive()
        check_workers()

    server.murder_workers = check_and_feed_watchdog


arbiter.Pidfile = AdminPidFile
