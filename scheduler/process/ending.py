"""How a process ends that cannot be prepared: with one line and a named exit code."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn

from scheduler.errors import ConfigurationError, SchedulerError


def give_up(error: SchedulerError) -> NoReturn:
    """End this process the way a user can act on: one line and the error's exit code."""
    sys.stderr.write(f"scheduler: {error}\n")
    sys.stderr.flush()
    raise SystemExit(int(error.exit_code))


def must_succeed(prepare: Callable[..., None]) -> Callable[..., None]:
    """A handler of a signal of Celery's that ends the process where it fails: Celery would only log that."""

    @wraps(prepare)
    def guarded(*arguments: Any, **options: Any) -> None:
        try:
            prepare(*arguments, **options)
        except SchedulerError as error:
            give_up(error)
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{last.filename}:{last.lineno}"
            line = " ".join(f"{type(error).__name__}: {error}".split())
            give_up(ConfigurationError(f"this process cannot be prepared: {line} at {place}: correct what it names"))

    return guarded
