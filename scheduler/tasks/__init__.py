"""Built-in tasks: examples that are useful on any Linux machine, and a way to run a command.

They import nothing of this service, so that they work in any worker that names this module.
A :class:`TaskFailed` carries the sentence that the page shows.
"""

from __future__ import annotations

from scheduler.tasks.commands import run_command
from scheduler.tasks.errors import TaskFailed
from scheduler.tasks.examples import count_to, fail, log_it
from scheduler.tasks.files import clean_up, disk_usage
from scheduler.tasks.machine import system_report

__all__ = ["TaskFailed", "clean_up", "count_to", "disk_usage", "fail", "log_it", "run_command", "system_report"]
