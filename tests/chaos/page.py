"""The page under attack: it is killed and started again on the same socket, while a person acts through it."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import cycle

from werkzeug.security import generate_password_hash

from tests.acceptance.page import Page
from tests.chaos.processes import children
from tests.chaos.service import Service
from tests.support.polling import until

PASSWORD = "correct horse"
ACTS = ("runs", "pause", "pause/delete")


class ActingPage:
    """gunicorn as the unit starts it, and the person before it; what comes while it is dead waits in its socket."""

    def __init__(self, service: Service, names: Sequence[str]) -> None:
        self.service = service
        self.names = names
        self.done = 0  #: acts of the process that lives
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.person = Page(f"http://127.0.0.1:{self.listener.getsockname()[1]}")
        self.over = threading.Event()
        self.process = self.start()
        self.acting = threading.Thread(target=self.act)
        self.acting.start()

    def start(self) -> subprocess.Popen[bytes]:
        os.set_inheritable(self.listener.fileno(), True)
        own = {
            "SCHEDULER_ADMIN_PASSWORD_HASH": generate_password_hash(PASSWORD, method="pbkdf2:sha256:1"),
            "SCHEDULER_SECRET_KEY": "0123456789abcdef" * 4,
        }
        command = [sys.executable, "-m", "gunicorn", "--config=python:scheduler.admin.serving", "scheduler.web:app"]
        command.append(f"--bind=fd://{self.listener.fileno()}")
        log = (self.service.directory / "page.log").open("ab")
        with log:
            return subprocess.Popen(
                command, env=self.service.environ | own, pass_fds=[self.listener.fileno()], start_new_session=True,
                stdout=log, stderr=log,
            )  # fmt: skip

    def act(self) -> None:
        """Run, pause and resume one schedule after the other; an answer that died with the page is not waited for."""
        acts = cycle([(name, act) for name in self.names for act in ACTS])
        self.person.log_in(PASSWORD)
        while not self.over.is_set():
            name, act = next(acts)
            with suppress(OSError, http.client.HTTPException):
                self.person.post(f"/schedules/{name}/{act}")
                self.done += 1

    def kill(self, times: int) -> None:
        """The process that serves, so many times in the midst of acts, and at last both; then start them again."""
        for _ in range(times):
            serving = until(lambda: children(self.process.pid) if self.done else None, 120, "acts go through the page")
            for pid in serving:
                os.kill(pid, signal.SIGKILL)
            self.done = 0
        self.end()
        self.process = self.start()
        self.done = 0

    def end(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def acting_page(service: Service, names: Sequence[str]) -> Iterator[ActingPage]:
    page = ActingPage(service, names)
    try:
        yield page
    finally:
        page.over.set()
        page.end()
        page.listener.close()  # the person is refused in place of waiting for an answer
        page.acting.join()
