"""One program of a task: started under a supervisor, so that it ends with the task however that ends."""

from __future__ import annotations

import contextlib
import math
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from scheduler.tasks import memory
from scheduler.tasks.errors import OverMemory, TaskFailed

MAX_OUTPUT_BYTES = 16_384
GRACE_S = 10.0  #: seconds between SIGTERM and SIGKILL
KILL_TIMEOUT_S = 5.0  #: seconds that SIGKILL may take to end everything
LOOK_INTERVAL_S = 0.5  #: between two looks at the memory of a program that has a limit
LAST_WORDS = ("error", "gone")  #: of the supervisor's report
#: the worker's own variables: its settings, what systemd tells it about itself, and what Celery tells its processes
OF_THE_WORKER = re.compile(
    r"SCHEDULER_|CELERY_LOG_|_MP_FORK_|LISTEN_|WATCHDOG_"
    r"|((CREDENTIALS|RUNTIME)_DIRECTORY|NOTIFY_SOCKET|MAINPID|PIDFILE|SYSTEMD_EXEC_PID|INVOCATION_ID|JOURNAL_STREAM)$"
)
SUPERVISOR = str(Path(__file__).with_name("supervisor.py"))


class Program:
    """A program that runs, with the end of its output."""

    def __init__(
        self,
        argv: list[str],
        directory: str,
        environment: Mapping[str, str],
        stdin: str,
        take: Callable[[bytes], object] | None = None,
        grace: float | None = None,
        max_memory: int | None = None,
    ) -> None:
        """Start it with these variables beside the worker's; raises TaskFailed where that is impossible.

        ``grace`` are the seconds between SIGTERM and SIGKILL, GRACE_S if None; ``max_memory`` is in bytes.
        """
        self.name = argv[0]
        self.tail = b""
        self.output_bytes = 0
        self.take = take  #: gets each piece of its output
        self.report = b""
        self.max_memory, self.next_look = max_memory, 0.0
        self.grace = GRACE_S if grace is None else grace
        watched, self.lifeline = os.pipe()
        self.reports, report = os.pipe()
        standard_input = in_memory(stdin)
        command = [sys.executable, "-I", "-S", SUPERVISOR, *map(str, (watched, report, os.getpid(), self.grace)), *argv]
        try:
            self.supervisor = subprocess.Popen(
                command,
                stdin=standard_input,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=directory,
                env={**of_the_program(os.environ), **environment},
                pass_fds=(watched, report),
                start_new_session=True,
            )
        except (OSError, ValueError, TypeError) as error:
            close(self.lifeline, self.reports)
            where = f" in '{directory}'" if getattr(error, "filename", None) == directory else ""
            raise self.cannot_start(getattr(error, "strerror", None) or error, where) from None
        finally:
            close(watched, report, standard_input)

    @property
    def output(self) -> str:
        return self.tail.decode("utf-8", "replace")

    def wait(self, timeout: float | None) -> int | None:
        """Its exit code, negative for a signal; None if it took longer than ``timeout`` seconds and was stopped."""
        try:
            in_time = self.read(("exit", *LAST_WORDS), None if timeout is None else time.monotonic() + timeout)
        finally:
            self.end()
        return self.exit_code() if in_time else None

    def read(self, words: Sequence[str], deadline: float | None) -> bool:
        """Read its output until one of these is reported; False when the deadline (monotonic seconds) comes first."""
        assert self.supervisor.stdout is not None
        output = self.supervisor.stdout.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(self.reports, selectors.EVENT_READ)
            selector.register(output, selectors.EVENT_READ)
            while not any(word in self.reported() for word in words):
                rest = math.inf if deadline is None else max(deadline - time.monotonic(), 0)
                pause = min(rest, LOOK_INTERVAL_S if self.max_memory else math.inf)
                ready = selector.select(None if pause == math.inf else pause)
                self.refuse_memory()
                if not ready and deadline is not None and time.monotonic() >= deadline:
                    return False
                for key, _ in ready:
                    if not (self.take_report() if key.fd == self.reports else self.take_output(output)):
                        selector.unregister(key.fd)
            while any(key.fd == output for key, _ in selector.select(0)) and self.take_output(output):
                pass
        return True

    def refuse_memory(self) -> None:
        """Kill it, and raise OverMemory, if it and all that it started use more than they may."""
        if self.max_memory is None or time.monotonic() < self.next_look:
            return
        self.next_look = time.monotonic() + LOOK_INTERVAL_S
        used, most = memory.of_family(self.supervisor.pid), self.max_memory
        if used > most:
            self.max_memory = None
            with contextlib.suppress(OSError):
                os.write(self.lifeline, b"k")
            sentence = f"'{self.name}' was killed: it used {memory.shown(used)}, more than its max_memory of"
            raise OverMemory(f"{sentence} {memory.shown(most)}", self.output)

    def take_report(self) -> bool:
        """Read what the supervisor reports; False at its end, which counts as a report that the program is gone."""
        chunk = os.read(self.reports, 4096)
        self.report += chunk or b"gone 0\n"
        return bool(chunk)

    def take_output(self, descriptor: int) -> bool:
        """Read from the program's pipe and keep the last MAX_OUTPUT_BYTES; False at its end."""
        chunk = os.read(descriptor, 65_536)
        self.tail = (self.tail + chunk)[-MAX_OUTPUT_BYTES:]
        self.output_bytes += len(chunk)
        if self.take is not None:
            self.take(chunk)
        return bool(chunk)

    def reported(self) -> dict[str, int]:
        """What the supervisor wrote, see there."""
        words = [line.split() for line in self.report.decode().splitlines(keepends=True) if line.endswith("\n")]
        return {word: int(number) for word, number in words}

    def end(self) -> None:
        """End it and all that it started, first with SIGTERM; returns when they are gone."""
        self.max_memory = None  # it ends anyway
        try:
            with contextlib.suppress(OSError):
                os.write(self.lifeline, b"x")
            self.read(LAST_WORDS, time.monotonic() + self.grace + KILL_TIMEOUT_S)
        finally:
            if "pid" in self.reported() and "exit" not in self.reported():  # someone killed the supervisor
                with contextlib.suppress(OSError):
                    os.killpg(self.reported()["pid"], signal.SIGKILL)
            self.supervisor.kill()
            assert self.supervisor.stdout is not None
            self.supervisor.stdout.close()
            close(self.lifeline, self.reports)
            self.supervisor.wait()

    def exit_code(self) -> int:
        """Its exit code; raises TaskFailed where it has none."""
        reported = self.reported()
        if "error" in reported:
            raise self.cannot_start(os.strerror(reported["error"]))
        if "exit" not in reported:
            sentence = f"'{self.name}' was killed: its supervisor (process {self.supervisor.pid}) was killed"
            raise TaskFailed(sentence, self.output)
        return reported["exit"]

    def cannot_start(self, reason: object, where: str = "") -> TaskFailed:
        return TaskFailed(f"'{self.name}' cannot be started{where}: {reason}")


def of_the_program(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables of the worker that a program may see."""
    return {name: value for name, value in variables.items() if not OF_THE_WORKER.match(name)}


def in_memory(text: str) -> int:
    """A descriptor that reads the text from memory: it may be a secret, and a pipe may be too small for it."""
    if not text:
        return os.open(os.devnull, os.O_RDONLY)
    descriptor = os.memfd_create("stdin")
    with open(descriptor, "wb", closefd=False) as file:
        file.write(text.encode("utf-8", "replace"))
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
