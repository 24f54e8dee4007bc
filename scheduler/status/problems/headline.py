"""The state of the service in a few words: how many schedules are unwell, or the first problem."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from scheduler.status.problems.facts import Facts
from scheduler.status.problems.problem import ServiceProblem

ABOUT_SCHEDULES = frozenset({"quarantined", "unstarted", "failing"})  #: kinds; each schedule is a problem of its own
WHAT_FOLLOWS = re.compile(r"(: |, | \().*", re.DOTALL)  #: what a sentence adds to its first words


class Headline(NamedTuple):
    """What stands on every page."""

    words: str
    problems: int  #: lines in the list of problems; 0 if nothing needs a person
    since: float | None = None  #: epoch seconds, of the problem that ``words`` names
    others: int = 0  #: lines beside the problem that ``words`` names; 0 where it counts schedules


NO_PROBLEMS = Headline("All well", 0)


def headline(facts: Facts, by_kind: Sequence[tuple[str, ServiceProblem]]) -> Headline:
    """Name what keeps every run from starting, else count the schedules that are unwell, else name what is first."""
    known = [(kind, problem) for kind, problem in by_kind if problem.severity != "unknown"]
    if not known:
        return NO_PROBLEMS
    critical = [problem for _, problem in known if problem.severity == "critical"]
    if not critical and any(kind in ABOUT_SCHEDULES for kind, _ in known):
        return Headline(counts(facts), len(known))
    first = critical[0] if critical else known[0][1]
    return Headline(WHAT_FOLLOWS.sub("", first.sentence), len(known), first.since, len(known) - 1)


def counts(facts: Facts) -> str:
    """``7 failing · 2 stuck``."""
    numbers = Counter({"quarantined": facts.quarantined[0], "failing": facts.failing.total, "stuck": 0, "late": 0})
    if facts.live_workers:  # otherwise every run waits, and that is said
        numbers.update(it.state for it in facts.unstarted.schedules)
    return " · ".join(f"{number} {state}" for state, number in numbers.items() if number)
