"""A Python environment without the time zone database."""

from __future__ import annotations

from collections.abc import Iterator

from scheduler.status.problems.facts import Facts
from scheduler.status.problems.problem import ServiceProblem
from scheduler.timing import TimingError, get_zone


def look(_: Facts) -> Iterator[ServiceProblem]:
    """Check that the time zone database is readable."""
    try:
        get_zone("Europe/Berlin")
    except (OSError, ImportError, TimingError):
        remedy = "install the package tzdata into this Python environment"
        yield ServiceProblem("The time zone database is missing", remedy, subject="zones")
