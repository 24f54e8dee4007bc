"""A thread of the operating system, also where gevent or eventlet has replaced Python's threads by its own."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from redis import RedisError


def start_thread(body: Callable[[], None]) -> None:
    """Run the body in a thread that does not keep the process alive, and that no blocked event loop stops."""
    gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
    if gevent is not None and gevent.is_module_patched("threading"):
        start: Any = gevent.get_original("_thread", "start_new_thread")
        start(body, ())
    elif eventlet is not None and eventlet.is_monkey_patched("thread"):
        eventlet.original("threading").Thread(target=body, daemon=True).start()
    else:
        threading.Thread(target=body, daemon=True).start()


def keep_looking(look: Callable[[], None], interval: float) -> None:
    """Call it again and again in such a thread, with so many seconds between, until the process ends."""

    def body() -> None:
        while True:
            time.sleep(interval)
            with suppress(RedisError):  # the worker itself says when Redis is away
                look()

    start_thread(body)
