"""Starts real beats and workers in a tenth of a second: a process that has Celery imported already, and forks.

A fork runs Celery's own command line and reads its own environment, so it is what the units start; modules that read
no environment are imported once for all. Read from stdin, one JSON object a line: ``{"start": [...], "environ": {...},
"log": path}`` is answered with the pid, ``{"reap": pid}`` with its exit status once it ended.
"""

from __future__ import annotations

import ctypes
import faulthandler
import json
import os
import signal
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SHARED = (
    "celery.__main__ celery.bin.celery celery.bin.beat celery.bin.worker celery.apps.beat celery.apps.worker "
    "celery.concurrency.prefork celery.concurrency.solo celery.worker.consumer celery.backends.redis "
    "celery.fixups.django redbeat.schedulers kombu.transport.redis redis.sentinel "
    "pydantic cronsim dateutil.rrule yaml scheduler.beat.scheduler scheduler.worker.signals"
)
PR_SET_PDEATHSIG = 1


def serve() -> None:
    """Answer until stdin ends; returns in the forks alone, which then run."""
    for line in sys.stdin:
        asked = json.loads(line)
        if "reap" in asked:
            answer = os.waitstatus_to_exitcode(os.waitpid(asked["reap"], 0)[1])
        else:
            answer = os.fork()
            if answer == 0:
                return become(asked["start"], asked["environ"], asked["log"])
        print(json.dumps(answer), flush=True)
    sys.exit()


def become(arguments: list[str], environ: dict[str, str], log: str) -> None:
    """A process of its own: session, environment, output, and an end no later than that of the launcher."""
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.environ.clear()
    os.environ.update(environ)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(output, 1)
    os.dup2(output, 2)
    faulthandler.enable()
    sys.argv = ["celery", *arguments]
    from scheduler import faults

    faults.armed.update(faults.read(environ.get("SCHEDULER_FAULTS", "")))


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.path[0] = str(ROOT)
    for module in SHARED.split():
        __import__(module)
    print(json.dumps("ready"), flush=True)
    serve()
    from celery.__main__ import main

    main()
