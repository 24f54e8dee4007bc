"""The one exception of the package."""

from __future__ import annotations


class TimingError(ValueError):
    """A timing was refused: which field, what is wrong with it, and what to write instead.

    ``field`` is the key of the schedule file that holds the text ("cron", "timezone", "every" …), ``problem`` says
    what is wrong, ``remedy`` what to do; the message is both.
    """

    def __init__(self, field: str, problem: str, remedy: str) -> None:
        super().__init__(f"{problem} — {remedy}")
        self.field = field
        self.problem = problem
        self.remedy = remedy

    def __reduce__(self) -> tuple[type[TimingError], tuple[str, str, str]]:
        return type(self), (self.field, self.problem, self.remedy)
