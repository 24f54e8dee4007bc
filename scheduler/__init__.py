"""Scheduled jobs on Celery Beat: declared in YAML, kept in RedBeat, accounted for in a ledger.

Importing this package imports nothing else, so that ``python3 -m scheduler`` can
set itself up before any dependency is installed.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"


def current_run() -> Any:
    """The run of a schedule that the calling task belongs to; None in a plain call, and outside of tasks.

    It is a ``scheduler.worker.current.CurrentRun``.
    """
    # By name, because every module below the worker would depend on the worker otherwise.
    return import_module("scheduler.worker.current").current_run()
