"""gunicorn's configuration for the page: ``gunicorn --config=python:scheduler.admin.serving scheduler.web:app``.

The names in this module are gunicorn's settings; command-line options override them.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable
from typing import Any

from gunicorn import arbiter, glogging

from scheduler.errors import SchedulerError
from scheduler.process import notify
from scheduler.process.ending import give_up
from scheduler.process.json_lines import JsonLines
from scheduler.process.pidfile import PidFile
from scheduler.settings import Settings
from scheduler.storage.client import AWAY, REFUSED, connect, take_a_write
from scheduler.storage.keys import Keys
from scheduler.storage.refusals import sentence

LOOK_INTERVAL_S = 5.0  #: seconds between two looks at Redis

bind = "127.0.0.1:8000"
worker_class = "scheduler.admin.whole_requests.WholeRequests"
threads = 8
preload_app = True
control_socket_disable = True
logger_class = "scheduler.admin.serving.PageLog"


class PageLog(glogging.Logger):
    """gunicorn's log, with a JSON object for each line if SCHEDULER_LOG_FORMAT says so."""

    def setup(self, cfg: Any) -> None:
        """Also after a reload of gunicorn's configuration, which replaces the handlers."""
        super().setup(cfg)
        try:
            is_json = Settings.from_environ().log_format == "json"
        except SchedulerError as error:
            give_up(error)
        if is_json:
            root = logging.getLogger()  # for Flask and for our own lines
            if not root.handlers:
                root.addHandler(logging.StreamHandler())
            for handler in (*root.handlers, *self.error_log.handlers, *self.access_log.handlers):
                handler.setFormatter(JsonLines())


class AdminPidFile(PidFile):
    """PidFile with the method names that gunicorn calls."""

    def create(self, _: int) -> None:
        self.acquire()

    def unlink(self) -> None:
        self.release()


class UnitStatus:
    """The sentence of ``systemctl status``: where the page serves, and why it can show or change nothing now."""

    def __init__(self, addresses: Iterable[object]) -> None:
        self.serving = f"Serving on {', '.join(map(str, addresses))}"
        self.settings = Settings.from_environ()
        self.redis = connect(self.settings)
        self.told = ""
        self.looked_at = 0.0
        self.tell(self.serving)

    def look(self) -> None:
        """Ask Redis, unless it was asked a moment ago, and tell systemd what has changed."""
        if time.monotonic() - self.looked_at < LOOK_INTERVAL_S:
            return
        try:
            take_a_write(self.redis, Keys(self.settings.key_prefix))
            self.tell(self.serving)
        except (*AWAY, *REFUSED) as error:
            self.tell(f"{self.serving}, but waiting for Redis: {sentence(error, self.settings)}")
        self.looked_at = time.monotonic()

    def tell(self, status: str) -> None:
        if status != self.told:
            self.told = status
            notify.tell(notify.status(status))


def when_ready(server: Any) -> None:
    """Report the address to systemd; feed its watchdog from gunicorn's check of its workers, once a second."""
    status = UnitStatus(server.LISTENERS)
    check_workers = server.murder_workers

    def check_and_feed_watchdog() -> None:
        """Gunicorn calls this about once a second, in its main process."""
        notify.alive()
        check_workers()
        if "NOTIFY_SOCKET" in os.environ:
            status.look()

    server.murder_workers = check_and_feed_watchdog


arbiter.Pidfile = AdminPidFile
