"""The process in the terminal and the supervisor behind it.

The supervisor works in a session of its own and reads a pipe that only the process in front holds open: whatever
ends that one, be it ``kill -9``, the supervisor sees the end of the pipe and stops everything in order.
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

    `lifeline` is a file descriptor that reads as ended when this process is gone.
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
    """The supervisor's life. Its errors end here: what called us waits in the process in front."""
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
