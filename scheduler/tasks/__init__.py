"""Built-in tasks: useful examples for any Linux machine, and one that runs a command.

They import nothing else from this service, so that any worker can import this module.
The page shows the message of a :class:`TaskFailed`.
"""

from __future__ import annotations

from scheduler.tasks.canvas import clean_results, start_canvas
from scheduler.tasks.commands import run_command
from scheduler.tasks.errors import TaskFailed
from scheduler.tasks.examples import count_to, fail, log_it
from scheduler.tasks.files import clean_up, disk_usage
from scheduler.tasks.http import http_request
from scheduler.tasks.machine import system_report

__all__ = [
    "TaskFailed",
    "clean_results",
    "clean_up",
    "count_to",
    "disk_usage",
    "fail",
    "http_request",
    "log_it",
    "run_command",
    "start_canvas",
    "system_report",
]
