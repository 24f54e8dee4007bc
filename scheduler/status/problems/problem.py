"""What needs a person: one sentence with its remedy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["critical", "warning", "unknown"]


@dataclass(frozen=True)
class ServiceProblem:
    """One problem. ``critical``: runs are not sent or not started; ``unknown``: a check that could not be made."""

    sentence: str  #: without a full stop
    remedy: str  #: what to do; empty where the sentence is enough
    severity: Severity = "warning"
    subject: str = ""  #: ``redis``, ``beat``, ``workers``, ``file``, ``sink ops`` …, or the name of a schedule
    since: float | None = None  #: epoch seconds; None if that is not known
    part: str = ""  #: what tells it from others of its kind about this subject; needed only without ``since``

    def __str__(self) -> str:
        return f"{self.sentence}: {self.remedy}" if self.remedy else self.sentence
