"""Waiting for a condition with a deadline, instead of sleeping and hoping."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T | None], seconds: float, what: str) -> T:
    """The first true value of `condition`; AssertionError with `what` if there is none in time.

    It pauses for as long as a look takes, so that a look which starts a program leaves the cores to what it waits for.
    """
    deadline = time.monotonic() + seconds
    while (began := time.monotonic()) < deadline:
        if value := condition():
            return value
        time.sleep(max(0.05, time.monotonic() - began))
    raise AssertionError(f"not within {seconds:.0f} s: {what}")
