"""Problems of a schedule file, with their positions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Position:
    """A place in a file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Problem:
    """One error or warning: where, what is wrong, and what to do."""

    what: str
    remedy: str = ""
    schedule: str = ""
    key: str = ""
    position: Position | None = None
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        place = f"{self.position}: " if self.position else ""
        subject = f"schedule '{self.schedule}': " if self.schedule else ""
        mark = "warning: " if self.severity == "warning" else ""
        return f"{place}{mark}{subject}{self.what}" + (f" — {self.remedy}" if self.remedy else "")
