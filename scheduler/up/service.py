"""The whole service of one checkout: what is started in which order, watched, and stopped in reverse."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import replace

from scheduler.command_name import STARTED_AS, command_name
from scheduler.errors import Exit, SchedulerError
from scheduler.settings import Settings
from scheduler.storage.client import AWAY, connect
from scheduler.storage.keys import Keys
from scheduler.up import redis_server, web
from scheduler.up.merged_log import MergedLog
from scheduler.up.process import PATIENCE, Patience, Process, Program
from scheduler.up.state import StateDirectory
from scheduler.up.supervisor import Supervisor

CELERY = [sys.executable, "-m", "celery", "--quiet", "-A", "scheduler.celeryapp"]
DRAIN = ((signal.SIGTERM, 10.0), (signal.SIGQUIT, 3.0))  # warm: finish the tasks; cold: hand them back
STOP_ORDER = (("beat", "admin"), ("worker",), ("redis",))  # Redis last: the others write to it while they stop
READY_WITHIN = 60.0  # seconds
LONGEST_PAUSE = 30.0  # seconds between two starts of a process that keeps ending
STEADY = 60.0  # seconds after which a process that ended counts as one that ran well


class NotReady(SchedulerError):
    """The service did not get ready: its lines above say why."""

    exit_code = Exit.UNAVAILABLE


class Fell(Exception):
    """A process ended before the service was ready."""

    def __init__(self, process: Process) -> None:
        self.process = process


class AskedToStop(Exception):
    """Ctrl-C, a signal, or the end of the process in front."""


class Service:
    """Redis (if `server` names one to start), beat, worker and admin. Everything that blocks is in the supervisor."""

    def __init__(self, settings: Settings, state: StateDirectory, listener: socket.socket, server: str | None) -> None:
        self.settings = replace(settings, redis_url=state.socket_url()) if server else settings
        self.state = state
        self.listener = listener
        self.server = server
        self.environ = self.environment()

    def environment(self) -> dict[str, str]:
        """What the children are told: paths and files, never a secret itself."""
        environ = {**os.environ, "SCHEDULER_STATE_DIR": str(self.state.path), "PYTHONUNBUFFERED": "1"}
        environ[STARTED_AS] = command_name()
        if self.server:
            environ["SCHEDULER_REDIS_URL"] = self.settings.redis_url
        if not self.settings.secret_key:
            environ["SCHEDULER_SECRET_KEY_FILE"] = str(self.state.secret_key)
        if not self.settings.admin_password_hash:
            environ["SCHEDULER_ADMIN_PASSWORD_HASH_FILE"] = str(self.state.password_hash)
        return environ

    def run(self, lifeline: int) -> int:
        """Start, watch and stop; return the exit code. The end of the descriptor `lifeline` asks to stop."""
        self.log = MergedLog(sys.stdout.buffer, colour=sys.stdout.isatty() and not os.environ.get("NO_COLOR"))
        self.supervisor = Supervisor(self.log, lifeline)
        self.state.clear_run()
        fallen = None
        try:
            self.start()
            self.keep_running()
        except AskedToStop:
            self.log.write("up", "stopping; Ctrl-C again kills at once")
        except Fell as fell:
            fallen = fell.process
        finally:
            for names in STOP_ORDER:
                self.supervisor.stop(names)
            self.state.clear_run()
        if fallen:
            return report(fallen)
        return Exit.OK if self.supervisor.asked < 2 else 128 + signal.SIGINT

    def start(self) -> None:
        """Nothing is started before the schedule file and the task modules are checked; the URL comes last."""
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
        for ready in (page.answered, self.worker_is_ready, self.somebody_leads):
            self.settle(ready)
        url = f"http://{web.address(self.listener)}/"
        self.state.note_url(url)
        self.log.write("up", f"open {url} — {login}")

    def prepare_login(self) -> str:
        """How to log in, in words; the only place where the password is ever shown."""
        if not self.settings.secret_key:
            self.state.make_secret_key()
        if self.settings.admin_password_hash:
            return "log in with the password that SCHEDULER_ADMIN_PASSWORD_HASH was made from"
        return f"password {self.state.make_password()}"

    def check(self) -> None:
        """`scheduler check`, which imports the task modules, in a process of its own."""
        command = [sys.executable, "-m", "scheduler", "check"]
        process = self.supervisor.start(Program("check", command, environ=self.environ, quiet=True))
        self.settle(lambda: "check" not in self.supervisor.running)
        self.supervisor.ended.clear()
        if process.exit_code:
            raise Fell(process)
        for line in process.last:
            self.log.write("up", line)

    def launch_redis(self, server: str) -> None:
        self.launch("redis", redis_server.command(server, self.state))
        self.settle(self.redis_answers)
        self.log.write("redis", f"{server} answers on {self.state.redis_socket}")

    def launch_beat(self) -> None:
        self.launch("beat", [*CELERY, "beat", "--loglevel", "INFO", "--pidfile", self.pidfile("beat")])

    def launch_worker(self) -> None:
        pidfile = self.pidfile("worker").replace("%", "%%")  # the worker reads %n and the like as names
        command = [*CELERY, "worker", "--loglevel", "INFO", "--concurrency", "2", "--pidfile", pidfile]
        # Alone on its Redis or not, it need not spend a second on asking others before its first task.
        self.launch("worker", [*command, "--without-mingle", "--without-gossip"], patience=DRAIN, ready=r" ready\.$")

    def launch_admin(self) -> None:
        """Serve what the unit serves, with its settings: the directory's own ``app.py`` and ``gunicorn.conf.py``
        belong to the user's application."""
        opened = self.listener.fileno()
        command = [sys.executable, "-m", "gunicorn", "--config", "python:scheduler.admin.serving", "scheduler.web:app"]
        self.launch("admin", [*command, "--bind", f"fd://{opened}", "--pid", self.pidfile("admin")], fds=(opened,))

    def launch(
        self, name: str, command: list[str], patience: Patience = PATIENCE, fds: tuple[int, ...] = (), ready: str = ""
    ) -> None:
        self.supervisor.start(Program(name, command, patience, fds, self.environ, ready=ready))

    def pidfile(self, name: str) -> str:
        return str(self.state.run / f"{name}.pid")

    def redis_answers(self) -> bool:
        try:
            return bool(connect(self.settings).ping())
        except AWAY:
            return False

    def worker_is_ready(self) -> bool:
        worker = self.supervisor.running.get("worker")
        return worker is not None and worker.is_ready

    def somebody_leads(self) -> bool:
        """This beat, or one elsewhere on the same Redis for which it stands by."""
        try:
            return bool(connect(self.settings).exists(Keys(self.settings.key_prefix).lock))
        except AWAY:
            return False

    def settle(self, condition: Callable[[], bool]) -> None:
        """Wait for it; whatever comes between is the end of this start."""
        if self.supervisor.wait(condition, READY_WITHIN):
            return
        if self.supervisor.asked:
            raise AskedToStop
        if self.supervisor.ended:
            raise Fell(self.supervisor.ended[0])
        raise NotReady(f"the service is not ready after {READY_WITHIN:.0f} s and was stopped: the lines above say why")

    def keep_running(self) -> None:
        """Start again what ends by itself, until asked to stop."""
        restarts = Restarts()
        while not self.supervisor.asked:
            self.supervisor.turn(restarts.seconds_left())
            while self.supervisor.ended:
                process = self.supervisor.ended.pop()
                pause = restarts.add(process)
                self.log.write(
                    "up", f"{process.name} ended with {process.exit_code}: starting it again in {pause:.0f} s"
                )
            for program in restarts.due():
                self.supervisor.start(program)
        raise AskedToStop


class Restarts:
    """Which programs are to be started again, and when: the pause doubles for one that keeps ending."""

    def __init__(self) -> None:
        self.pauses: dict[str, float] = {}
        self.waiting: dict[float, Program] = {}

    def add(self, process: Process) -> float:
        """Seconds until it is started again."""
        steady = time.monotonic() - process.started > STEADY
        pause = 1.0 if steady else min(2 * self.pauses.get(process.name, 0.5), LONGEST_PAUSE)
        self.pauses[process.name] = pause
        self.waiting[time.monotonic() + pause] = process.program
        return pause

    def seconds_left(self) -> float | None:
        return max(0.0, min(self.waiting) - time.monotonic()) if self.waiting else None

    def due(self) -> list[Program]:
        return [self.waiting.pop(at) for at in sorted(self.waiting) if at <= time.monotonic()]


def report(process: Process) -> int:
    """Say why nothing runs, below everything that was logged; return the exit code of the process that ended."""
    for line in process.last:
        print(line, file=sys.stderr)
    if process.name != "check":
        print(
            f"scheduler: {process.name} ended with {process.exit_code} before the service was ready, "
            "and everything was stopped: its last lines are above",
            file=sys.stderr,
        )
    return process.exit_code or Exit.PROBLEMS
