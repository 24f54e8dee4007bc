"""How long the runs of a schedule took and how late they began, as a picture and in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scheduler.admin.filters import delay, length_of
from scheduler.model import Run

LEAST = 2  #: runs that make a trend


@dataclass(frozen=True)
class Dot:
    """A run; ``took`` and ``late`` are parts of the longest of the picture, 0 to 1."""

    run: Run
    took: float
    late: float
    is_this: bool


@dataclass(frozen=True)
class Trend:
    """The runs, oldest first."""

    dots: tuple[Dot, ...]
    median: float  #: seconds
    p95: float
    longest: float
    longest_delay: float
    ok: int  #: how many succeeded

    @property
    def words(self) -> str:
        """The picture in a sentence."""
        return (
            f"{len(self.dots)} runs: {self.ok} succeeded; half took at most {length_of(self.median)}, "
            f"95 % at most {length_of(self.p95)}, the longest {length_of(self.longest)}; "
            f"the longest start delay was {delay(self.longest_delay)}"
        )


def of(runs: Sequence[Run], this: Run) -> Trend | None:
    """The trend of the runs that ended, newest first; None where there are too few."""
    ended = [run for run in reversed(runs) if run.duration is not None]
    if len(ended) < LEAST:
        return None
    took = sorted(run.duration or 0.0 for run in ended)
    longest, longest_delay = took[-1], max(run.lateness or 0.0 for run in ended)
    dots = tuple(
        Dot(run, part(run.duration, longest), part(run.lateness, longest_delay), run.id == this.id) for run in ended
    )
    ok = sum(run.outcome == "succeeded" for run in ended)
    return Trend(dots, median(took), took[-(-len(took) * 95 // 100) - 1], longest, longest_delay, ok)


def median(took: Sequence[float]) -> float:
    """Of sorted lengths of time: half took at most this."""
    return took[(len(took) - 1) // 2]


def part(seconds: float | None, most: float) -> float:
    return max(0.0, (seconds or 0.0) / most) if most else 0.0
