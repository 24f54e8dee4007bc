"""Starts one program and ends it, with all that it started, when the process that asked for it ends or says so.

A process of its own, run as a script, because the worker's process may be killed at any moment. It must start fast:
it imports little, and nothing of this service. Arguments: the descriptor to watch, the descriptor to report to, the
process id of the worker's process, the grace in seconds, then the program and its arguments.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import sys
import time

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
KILL_PAUSE_S = 0.05  #: between two looks at what is left
KILL_ATTEMPTS = 40  #: a process that waits for a broken disk may outlive even SIGKILL


def main(watched: int, report: int, worker: int, grace: float, argv: list[str]) -> None:
    """Run the program; report its ``pid``, its ``exit`` code (negative for a signal), and when all are ``gone``.

    A program that cannot be started is an ``error`` with the number of the operating system.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    adopt_orphans = prctl(PR_SET_CHILD_SUBREAPER, 1)
    child_ended = wake_on_child()
    pid, error = start(argv)
    if error:
        tell(report, "error", error)
        return
    tell(report, "pid", pid)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)  # so that the worker reads the end of the output when the program is gone
    os.dup2(null, 2)
    family = Family(pid, adopt_orphans)
    wait(family, [watched, child_ended, *watch_process(worker)], child_ended)
    ended_by_itself = not family.is_running()
    grace = 0.0 if is_killed(watched) else grace
    if ended_by_itself:
        tell(report, "exit", family.code)
    family.end(grace)
    if not ended_by_itself:
        tell(report, "exit", family.code)
    tell(report, "gone", 0)


def is_killed(watched: int) -> bool:
    """Whether the worker asks to kill the program at once."""
    ready, _, _ = select.select([watched], [], [], 0)
    return bool(ready) and os.read(watched, 1) == b"k"


def tell(report: int, word: str, number: int | None) -> None:
    """Report to the worker, which may be gone."""
    if number is not None:
        with contextlib.suppress(OSError):
            os.write(report, f"{word} {number}\n".encode())


def prctl(option: int, value: int) -> bool:
    """Set an attribute of this process that only Linux has; False where there is none."""
    if sys.platform != "linux":
        return False
    try:
        import ctypes

        return ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0  # type: ignore[no-any-return]
    except (ImportError, OSError, AttributeError, MemoryError):  # the last where memory must not become code
        return False


def wake_on_child() -> int:
    """A descriptor that can be read after a child ended."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    os.set_blocking(reader, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return reader


def watch_process(pid: int) -> list[int]:
    """A descriptor that can be read when the process has ended, because a fork of it may hold the pipe open."""
    try:
        descriptor = os.pidfd_open(pid)
    except (AttributeError, OSError):
        return []
    if os.getppid() != pid:  # it ended before, and the number may be another's
        os.close(descriptor)
        return []
    return [descriptor]


def start(argv: list[str]) -> tuple[int, int]:
    """Start the program in a session of its own; returns its process id and 0, or the error's number."""
    reader, writer = os.pipe()
    supervisor = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == supervisor:
                os.execvp(argv[0], argv)
        except (OSError, ValueError) as error:
            os.write(writer, str(getattr(error, "errno", errno.EINVAL)).encode())
        finally:
            os._exit(127)
    os.close(writer)
    said = os.read(reader, 16)
    os.close(reader)
    return pid, int(said or 0)


def wait(family: Family, descriptors: list[int], child_ended: int) -> None:
    """Return when the program has ended, or when it has to end."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    while family.is_running():
        ready = {descriptor for descriptor, _ in poll.poll()}
        if ready - {child_ended}:
            return
        with contextlib.suppress(BlockingIOError):
            os.read(child_ended, 4096)


class Family:
    """The program and every process that descends from it, also one that left its group and session."""

    def __init__(self, pid: int, adopts_orphans: bool) -> None:
        self.pid = pid
        self.adopts_orphans = adopts_orphans
        self.code: int | None = None
        self.has_children = True

    def is_running(self) -> bool:
        """Whether the program itself runs; collects the children that have ended."""
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    break
                if pid == self.pid:
                    self.code = os.waitstatus_to_exitcode(status)
        except ChildProcessError:
            self.has_children = False
        return self.code is None

    def end(self, grace: float) -> None:
        """Ask all of them to end, wait for the grace, then kill what is left, and what that starts meanwhile."""
        if self.is_gone():
            return
        self.send(signal.SIGTERM)
        self.send(signal.SIGCONT)  # one that is stopped would take the first only later
        deadline = time.monotonic() + grace
        while time.monotonic() < deadline:
            if self.is_gone():
                return
            time.sleep(KILL_PAUSE_S)
        for _ in range(KILL_ATTEMPTS):
            self.send(signal.SIGKILL)
            time.sleep(KILL_PAUSE_S)
            if self.is_gone():
                return

    def is_gone(self) -> bool:
        """Whether the program, its group and its other descendants have ended."""
        if self.is_running() or self.group_lives():
            return False
        return not self.has_children or not self.members()

    def group_lives(self) -> bool:
        """Whether a process of the program's group exists."""
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return True

    def send(self, number: int) -> None:
        """Send a signal to the group and to the descendants outside it."""
        with contextlib.suppress(OSError):
            os.killpg(self.pid, number)
        for pid in self.members():
            with contextlib.suppress(OSError):
                os.kill(pid, number)

    def members(self) -> set[int]:
        """The descendants outside the program's group."""
        if not self.adopts_orphans:
            return set()
        children, groups = processes()
        below: set[int] = set()
        waiting = [os.getpid()]
        while waiting:
            fresh = children.get(waiting.pop(), set()) - below
            below |= fresh
            waiting += fresh
        return {pid for pid in below if groups[pid] != self.pid}


def processes() -> tuple[dict[int, set[int]], dict[int, int]]:
    """The children of each process, and the group of each; a process that only waits to be collected is none."""
    children: dict[int, set[int]] = {}
    groups: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if not name.isdecimal():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                state, parent, group = file.read().rpartition(b")")[2].split()[:3]
        except OSError:
            continue
        if state not in b"ZX":
            children.setdefault(int(parent), set()).add(int(name))
            groups[int(name)] = int(group)
    return children, groups


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), sys.argv[5:])
