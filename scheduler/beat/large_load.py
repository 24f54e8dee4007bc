"""What a load of many schedules takes and leaves in memory."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from scheduler.kept import forget


@contextmanager
def large_load() -> Iterator[None]:
    """While it lasts, the garbage collector rests; at its end, free memory goes back to the system."""
    # It would walk the objects of all schedules again and again: of these, none is garbage before the end.
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        forget()  # each of these small results would keep a large piece of memory from being given back
        with suppress(AttributeError, OSError):  # only glibc has it
            ctypes.CDLL(None).malloc_trim(0)
