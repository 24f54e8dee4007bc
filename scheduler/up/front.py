"""The process in the terminal and the supervisor behind it.

The supervisor has its own session and reads a pipe that only the process in front holds open. Whatever ends that
process, even ``kill -9``, the supervisor sees the end of the pipe and stops everything in order.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable

from scheduler.errors import Exit, SchedulerError

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def in_front(supervise: Callable[[int], int]) -> int:
    """Run ``supervise(lifeline)`` in a process behind this one; return its exit code, 128 + n if signal n ended it.

    `lifeline` is a file descriptor that reaches its end when this process ends.
    """
    lifeline, held = os.pipe()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)
    supervisor = os.fork()
    if supervisor == 0:
        os.close(held)
        os.setsid()
        os._exit(behind(supervise, lifeline))
    os.close(lifeline)
    for number in FORWARDED:
        signal.signal(number, lambda number, _frame: os.kill(supervisor, number))
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    _, status = os.waitpid(supervisor, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def behind(supervise: Callable[[int], int], lifeline: int) -> int:
    """Run the supervisor; return its exit code. Errors end here, because the caller waits in the process in front."""
    try:
        return supervise(lifeline)
    except SchedulerError as error:
        print(f"scheduler: {error}", file=sys.stderr)
        return int(error.exit_code)
    except BaseException:
        traceback.print_exc()
        return Exit.PROBLEMS
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
