"""The one exception of the built-in tasks."""

from __future__ import annotations


class TaskFailed(Exception):
    """A built-in task failed; the message says what is wrong and what to do."""
