"""Starts, watches and stops processes in one thread; while it waits, it copies their output into the log."""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Callable, Iterable
from types import FrameType

from scheduler.up.merged_log import MergedLog
from scheduler.up.process import Process, Program

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SAME_REQUEST_S = 0.5  #: signals within this time count as one request to stop


class Supervisor:
    """The running processes, by name. The end of the descriptor `lifeline` is a request to stop, like a signal."""

    def __init__(self, log: MergedLog, lifeline: int) -> None:
        self.log = log
        self.running: dict[str, Process] = {}
        self.ended: list[Process] = []  #: the caller takes them off this list
        self.stop_requests = 0  #: the second one means: at once
        self.requested_at = -SAME_REQUEST_S
        self.selector = selectors.DefaultSelector()
        self.selector.register(lifeline, selectors.EVENT_READ, self.front_ended)
        self.lifeline = lifeline
        self.woken, self.waker = os.pipe()
        for end in (self.woken, self.waker):
            os.set_blocking(end, False)
        self.selector.register(self.woken, selectors.EVENT_READ, self.wake)
        # A signal that arrives just before `select` would not end it; a byte in the pipe does.
        signal.set_wakeup_fd(self.waker, warn_on_full_buffer=False)
        for number in STOP_SIGNALS:
            signal.signal(number, self.ask)
        # A handler that does nothing: without one, the end of a child writes no byte to the pipe.
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def ask(self, _number: int, _frame: FrameType | None) -> None:
        """Count a request to stop. A signal to the process group arrives twice, once through the process in front."""
        if time.monotonic() - self.requested_at > SAME_REQUEST_S:
            self.stop_requests += 1
            self.requested_at = time.monotonic()

    def front_ended(self) -> None:
        """The process in front, which gets the terminal's Ctrl-C, ended: that is a request to stop."""
        self.selector.unregister(self.lifeline)
        self.stop_requests += 1

    def wake(self) -> None:
        """Empty the pipe by which a signal ends the wait for output."""
        os.read(self.woken, 4096)

    def close(self) -> None:
        """Stop listening for signals."""
        signal.set_wakeup_fd(-1)
        self.selector.close()
        for end in (self.woken, self.waker):
            os.close(end)

    def start(self, program: Program) -> Process:
        """Start a program and copy its output to the log."""
        process = Process(program)
        self.running[program.name] = process
        self.selector.register(process.output, selectors.EVENT_READ, lambda: self.copy(process))
        return process

    def copy(self, process: Process) -> None:
        """Copy what a process has printed; at the end of its output, stop listening to it."""
        for line in process.lines():
            if line and not process.program.quiet:
                self.log.write(process.name, line)
        if process.silent:
            self.selector.unregister(process.output)

    def turn(self, seconds: float | None = None) -> None:
        """Wait at most `seconds` for output, a signal or an end; move ended processes from `running` to `ended`."""
        for key, _ in self.selector.select(seconds):
            key.data()
        for process in [process for process in self.running.values() if process.has_ended]:
            process.kill_group()
            if not process.silent:  # a grandchild may hold the pipe open: read what is there, then close it
                self.copy(process)
            if not process.silent:
                self.selector.unregister(process.output)
            process.close()
            self.ended.append(self.running.pop(process.name))

    def wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until `condition` holds; False after `seconds`, when a process ends, or on a request to stop."""
        deadline = time.monotonic() + seconds
        while not condition():
            if self.ended or self.stop_requests or time.monotonic() > deadline:
                return False
            self.turn(0.02)
        return True

    def stop(self, names: Iterable[str]) -> None:
        """Stop these with their own signals and waits; at once after a second request."""
        for process in [self.running[name] for name in names if name in self.running]:
            for number, seconds in process.program.stop_steps:
                process.signal(number)
                self.wait_for_end(process, seconds)
            if process.name in self.running:
                self.log.write("up", f"{process.name} did not stop in time: killing it")
                process.kill_group()
                process.popen.wait()
                self.turn(0)

    def wait_for_end(self, process: Process, seconds: float) -> None:
        """Wait this long for a process to end; a second request to stop ends the wait."""
        deadline = time.monotonic() + seconds
        while process.name in self.running and self.stop_requests < 2 and time.monotonic() < deadline:
            self.turn(0.1)
        self.turn(0)
