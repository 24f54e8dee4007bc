"""The exceptions of the built-in tasks."""

from __future__ import annotations


class TaskFailed(Exception):
    """A built-in task failed: a sentence that says what is wrong and what to do, and what its program printed."""

    exit_code: int | None = None  #: of its program, as a shell has it

    def __init__(self, sentence: str, output: str = "") -> None:
        super().__init__(*([sentence, output] if output else [sentence]))  # args alone pass through a result backend

    def ended_with(self, code: int) -> TaskFailed:
        """The same error, with the exit code of its program; negative for a signal, which is 128 and more here."""
        self.exit_code = code if code >= 0 else 128 - code
        return self

    @property
    def output(self) -> str:
        """What the failed program printed; empty for none."""
        return str(self.args[1]) if len(self.args) > 1 else ""

    def __str__(self) -> str:
        return "\n".join(map(str, self.args))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.args[0]!r})"


class OverMemory(TaskFailed):
    """A program used more memory than it may."""


class TimedOut(TaskFailed):
    """A program took longer than it may."""
