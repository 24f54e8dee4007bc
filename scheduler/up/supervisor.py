"""Starts, watches and stops processes in one thread; every wait here also copies their output into the log."""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Callable, Iterable
from types import FrameType

from scheduler.up.merged_log import MergedLog
from scheduler.up.process import Process, Program

ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SAME_WISH = 0.5  #: seconds within which several signals count as one request to stop


class Supervisor:
    """What runs, by name. `lifeline` is a descriptor whose end asks to stop, as a signal does."""

    def __init__(self, log: MergedLog, lifeline: int) -> None:
        self.log = log
        self.running: dict[str, Process] = {}
        self.ended: list[Process] = []  #: those that ended, until somebody takes them off this list
        self.asked = 0  #: how often it was asked to stop; the second time means at once
        self.asked_at = -SAME_WISH
        self.selector = selectors.DefaultSelector()
        self.selector.register(lifeline, selectors.EVENT_READ, self.abandoned)
        self.lifeline = lifeline
        self.woken, self.waker = os.pipe()
        for end in (self.woken, self.waker):
            os.set_blocking(end, False)
        self.selector.register(self.woken, selectors.EVENT_READ, self.wake)
        signal.set_wakeup_fd(self.waker, warn_on_full_buffer=False)
        for number in ASKING:
            signal.signal(number, self.ask)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ASKING)

    def ask(self, _number: int, _frame: FrameType | None) -> None:
        """Count a wish to stop. Who signals all processes reaches us twice at once, also through the one in front."""
        if time.monotonic() - self.asked_at > SAME_WISH:
            self.asked += 1
            self.asked_at = time.monotonic()

    def abandoned(self) -> None:
        self.selector.unregister(self.lifeline)
        self.asked += 1

    def wake(self) -> None:
        os.read(self.woken, 4096)

    def close(self) -> None:
        """Listen to signals no more."""
        signal.set_wakeup_fd(-1)
        self.selector.close()
        for end in (self.woken, self.waker):
            os.close(end)

    def start(self, program: Program) -> Process:
        process = Process(program)
        self.running[program.name] = process
        self.selector.register(process.output, selectors.EVENT_READ, lambda: self.copy(process))
        return process

    def copy(self, process: Process) -> None:
        for line in process.lines():
            if line and not process.program.quiet:
                self.log.write(process.name, line)
        if process.silent:
            self.selector.unregister(process.output)

    def turn(self, seconds: float | None = None) -> None:
        """Wait for something to happen, at most `seconds`; processes that ended move from `running` to `ended`."""
        for key, _ in self.selector.select(seconds):
            key.data()
        for process in [process for process in self.running.values() if process.has_ended]:
            process.kill_group()
            if not process.silent:  # a child of a child may hold the pipe: take what is there, then let go
                self.copy(process)
            if not process.silent:
                self.selector.unregister(process.output)
            process.close()
            self.ended.append(self.running.pop(process.name))

    def wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Turn until `condition` holds; False if it does not in time, if a process ended, or if asked to stop."""
        deadline = time.monotonic() + seconds
        while not condition():
            if self.ended or self.asked or time.monotonic() > deadline:
                return False
            self.turn(0.02)
        return True

    def stop(self, names: Iterable[str]) -> None:
        """Stop these, each as patiently as it asks for; at once if asked twice."""
        for process in [self.running[name] for name in names if name in self.running]:
            for number, seconds in process.program.patience:
                process.signal(number)
                self.wait_for_end(process, seconds)
            if process.name in self.running:
                self.log.write("up", f"{process.name} did not stop and is killed")
                process.kill_group()
                process.popen.wait()
                self.turn(0)

    def wait_for_end(self, process: Process, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while process.name in self.running and self.asked < 2 and time.monotonic() < deadline:
            self.turn(0.1)
        self.turn(0)
