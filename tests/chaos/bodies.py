"""The task of these tests: what its body leaves is outside Redis, and survives every death.

It imports nothing of the service, as a user's module would not.
"""

from __future__ import annotations

import os
import sys
import time
import zlib
from typing import Any

from celery import shared_task
from celery.exceptions import Ignore


@shared_task(bind=True, ignore_result=True)
def note(self: Any, seconds: float = 0.0, ending: str = "", due: str = "") -> None:
    """Append the run's identity to the file of this test, then take this long and end in this way.

    Fails if the due instant that it was given is not that of its run.
    """
    headers = self.request.headers or {}
    run_id = self.request.get("scheduler_run") or headers.get("scheduler_run") or f"stock:{self.request.id}"
    line = f"{run_id} {os.getpid()} {time.time()}\n".encode()
    file = os.open(os.environ["CHAOS_BODIES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, line)
    finally:
        os.close(file)
    if due and run_id.rpartition("@")[2] != due.replace("+00:00", "Z"):
        raise ValueError(f"{run_id} was told that it is due {due}")
    time.sleep(seconds)
    if ending == "ignore":
        raise Ignore
    if ending == "exit":
        sys.exit(1)
    if ending == "fail at times" and zlib.crc32(run_id.encode()) % 2:  # the same runs fail each time
        raise ValueError("at times")
