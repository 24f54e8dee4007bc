"""The one exception of the built-in tasks."""

from __future__ import annotations


class TaskFailed(Exception):
    """The task looked, and what it found needs a person."""
