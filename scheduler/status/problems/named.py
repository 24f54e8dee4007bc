"""What is said of the schedules of a kind that get no line of their own."""

from __future__ import annotations

from collections.abc import Iterator

from scheduler.command_name import with_command_name
from scheduler.status.problems.problem import ServiceProblem


def rest(more: int, state: str, *, at_least: bool = False) -> Iterator[ServiceProblem]:
    """Count the schedules that are not named, or ``at_least`` so many; nothing if there are none."""
    if more > 0:
        schedules = "1 more schedule is" if more == 1 else f"{more} more schedules are"
        sentence = f"{'at least ' if at_least else ''}{schedules} {state}"
        yield ServiceProblem(sentence, with_command_name("`scheduler list` shows each"))
