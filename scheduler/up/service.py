"""The whole service of one directory: starts it in order, watches it, and stops it in reverse."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace

from scheduler.command_name import STARTED_AS, command_name
from scheduler.errors import Exit, SchedulerError
from scheduler.settings import Settings
from scheduler.storage import sign_in
from scheduler.storage.client import AWAY, connect
from scheduler.storage.keys import Keys
from scheduler.up import redis_server, web
from scheduler.up.merged_log import MergedLog
from scheduler.up.process import STOP_STEPS, Process, Program, StopSteps
from scheduler.up.restarts import Restarts
from scheduler.up.state import StateDirectory
from scheduler.up.supervisor import Supervisor

CELERY = [sys.executable, "-m", "celery", "--quiet", "-A", "scheduler.celeryapp"]
WORKER_STOP_STEPS = (
    (signal.SIGTERM, 10.0),
    (signal.SIGQUIT, 3.0),
)  # warm: finish the tasks; cold: return them to the queue
STOP_ORDER = (("beat", "admin"), ("worker",), ("redis",))  # Redis last: the others write to it while they stop
READY_TIMEOUT_S = 60.0


class NotReady(SchedulerError):
    """The service did not become ready: its lines above say why."""

    exit_code = Exit.UNAVAILABLE


class EndedEarly(Exception):
    """A process ended before the service was ready."""

    def __init__(self, process: Process) -> None:
        self.process = process


class AskedToStop(Exception):
    """Ctrl-C, a signal, or the end of the process in front."""


class Service:
    """Redis (if `server` names one to start), beat, worker and admin. Only the supervisor waits."""

    def __init__(self, settings: Settings, state: StateDirectory, listener: socket.socket, server: str | None) -> None:
        self.settings = replace(settings, redis_url=state.socket_url()) if server else settings
        self.state = state
        self.listener = listener
        self.server = server
        self.environ = self.environment()

    def environment(self) -> dict[str, str]:
        """The environment of the children: paths of files with secrets, never a secret itself."""
        environ = {**os.environ, "SCHEDULER_STATE_DIR": str(self.state.path), "PYTHONUNBUFFERED": "1"}
        environ[STARTED_AS] = command_name()
        if self.server:
            environ["SCHEDULER_REDIS_URL"] = self.settings.redis_url
        if self.settings.read_only:
            environ["SCHEDULER_READ_ONLY"] = "yes"
        if not self.settings.secret_key:
            environ["SCHEDULER_SECRET_KEY_FILE"] = str(self.state.secret_key)
        if not self.settings.admin_password_hash:
            environ["SCHEDULER_ADMIN_PASSWORD_HASH_FILE"] = str(self.state.password_hash)
        return environ

    def run(self, lifeline: int) -> int:
        """Start, watch and stop; return the exit code. The end of the descriptor `lifeline` is a request to stop."""
        self.log = MergedLog(sys.stdout.buffer, colour=sys.stdout.isatty() and not os.environ.get("NO_COLOR"))
        self.supervisor = Supervisor(self.log, lifeline)
        self.state.clear_run()
        ended = None
        try:
            self.start()
            self.keep_running()
        except AskedToStop:
            self.log.write("up", "stopping; Ctrl-C again kills at once")
        except EndedEarly as early:
            ended = early.process
        finally:
            for names in STOP_ORDER:
                self.supervisor.stop(names)
            self.state.clear_run()
        if ended:
            return report(ended)
        return Exit.OK if self.supervisor.stop_requests < 2 else 128 + signal.SIGINT

    def start(self) -> None:
        """Check the schedule file and the task modules, then start everything; print the URL last."""
        login = self.prepare_login()
        self.check()
        if self.server:
            self.launch_redis(self.server)
        else:
            self.log.write("redis", f"using {self.settings.shown_redis_url}")
        self.launch_beat()
        self.launch_worker()
        self.launch_admin()
        page = web.FirstRequest(self.listener)
        for ready in (page.answered, self.worker_is_ready, self.a_beat_leads):
            self.wait_for(ready)
        url = f"http://{web.address(self.listener)}/"
        self.state.note_url(url)
        self.log.write("up", f"open {url} — {login}")
        if not self.settings.admin_password_hash:
            self.log.write("up", f"or log in once with {url}login?once={self.make_link()}")

    def prepare_login(self) -> str:
        """How to log in, as a sentence; nothing else prints the password."""
        if not self.settings.secret_key:
            self.state.make_secret_key()
        if self.settings.admin_password_hash:
            return "log in with the password that SCHEDULER_ADMIN_PASSWORD_HASH was made from"
        return f"password {self.state.make_password()}"

    def make_link(self) -> str:
        """The secret of a link that logs the page's own account in once."""
        with connect(self.settings) as client:
            return sign_in.make(client, Keys(self.settings.key_prefix), "admin", by="up")

    def check(self) -> None:
        """`scheduler check`, in its own process, because it imports the task modules."""
        command = [sys.executable, "-m", "scheduler", "check"]
        process = self.supervisor.start(Program("check", command, environ=self.environ, quiet=True))
        self.wait_for(lambda: "check" not in self.supervisor.running)
        self.supervisor.ended.clear()
        if process.exit_code:
            raise EndedEarly(process)
        for line in process.last:
            self.log.write("up", line)

    def launch_redis(self, server: str) -> None:
        """Start a private Redis and wait until it answers; raises EndedEarly, NotReady or AskedToStop."""
        self.launch("redis", redis_server.command(server, self.state))
        self.wait_for(self.redis_answers)
        self.log.write("redis", f"{server} answers on {self.state.redis_socket}")

    def launch_beat(self) -> None:
        """Start beat, whose alerts link to this page. The page itself does not know by which name people reach it."""
        command = [*CELERY, "beat", "--loglevel", "INFO", "--pidfile", self.pidfile("beat")]
        url = self.settings.admin_url or f"http://{web.address(self.listener)}"
        self.launch("beat", command, more={"SCHEDULER_ADMIN_URL": url})

    def launch_worker(self) -> None:
        pidfile = self.pidfile("worker").replace("%", "%%")  # the worker expands %n and the like
        command = [*CELERY, "worker", "--loglevel", "INFO", "--concurrency", "2", "--pidfile", pidfile]
        # Its first task need not wait a second for answers from other workers.
        self.launch(
            "worker",
            [*command, "--without-mingle", "--without-gossip"],
            stop_steps=WORKER_STOP_STEPS,
            ready=r" ready\.$",
        )

    def launch_admin(self) -> None:
        """Serve what the unit serves, with its settings: the directory's own ``app.py`` and ``gunicorn.conf.py``
        belong to the user's application."""
        opened = self.listener.fileno()
        command = [sys.executable, "-m", "gunicorn", "--config", "python:scheduler.admin.serving", "scheduler.web:app"]
        self.launch("admin", [*command, "--bind", f"fd://{opened}", "--pid", self.pidfile("admin")], fds=(opened,))

    def launch(
        self,
        name: str,
        command: list[str],
        stop_steps: StopSteps = STOP_STEPS,
        fds: tuple[int, ...] = (),
        ready: str = "",
        more: Mapping[str, str] | None = None,
    ) -> None:
        """Start a process, with ``more`` environment variables than all have."""
        environ = {**self.environ, **(more or {})}
        self.supervisor.start(Program(name, command, stop_steps, fds, environ, ready=ready))

    def pidfile(self, name: str) -> str:
        return str(self.state.run / f"{name}.pid")

    def redis_answers(self) -> bool:
        """False while it does not; raises for a Redis that refuses."""
        try:
            return bool(connect(self.settings).ping())
        except AWAY:
            return False

    def worker_is_ready(self) -> bool:
        worker = self.supervisor.running.get("worker")
        return worker is not None and worker.is_ready

    def a_beat_leads(self) -> bool:
        """This one, or one on another host with the same Redis, for which this one stands by."""
        try:
            return bool(connect(self.settings).exists(Keys(self.settings.key_prefix).lock))
        except AWAY:
            return False

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait for `condition`; raise if a process ends, a person asks to stop, or time runs out."""
        if self.supervisor.wait(condition, READY_TIMEOUT_S):
            return
        if self.supervisor.stop_requests:
            raise AskedToStop
        if self.supervisor.ended:
            raise EndedEarly(self.supervisor.ended[0])
        raise NotReady(f"not ready after {READY_TIMEOUT_S:.0f} s, so everything was stopped: the lines above say why")

    def keep_running(self) -> None:
        """Restart what ends by itself, until asked to stop."""
        restarts = Restarts()
        while not self.supervisor.stop_requests:
            self.supervisor.turn(restarts.seconds_left())
            while self.supervisor.ended:
                process = self.supervisor.ended.pop()
                pause = restarts.add(process)
                self.log.write("up", f"{process.name} ended with {process.exit_code}: restarting in {pause:.0f} s")
            for program in restarts.due():
                self.supervisor.start(program)
        raise AskedToStop


def report(process: Process) -> int:
    """Print the last lines of the process that ended, below the log; return its exit code."""
    for line in process.last:
        print(line, file=sys.stderr)
    if process.name != "check":
        print(
            f"scheduler: {process.name} ended with {process.exit_code} before the service was ready, "
            "and everything was stopped: its last lines are above",
            file=sys.stderr,
        )
    return process.exit_code or Exit.PROBLEMS
