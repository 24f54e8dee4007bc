"""A schedule file, read and validated, without Redis."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from scheduler import schedule_file
from scheduler.application.brought import NOTHING, Brought
from scheduler.changes.common import Tasks
from scheduler.model import Declared, Position, Problem
from scheduler.schedule_file import printable
from scheduler.storage.instants import clock
from scheduler.validate import Validated, validate, validate_beside
from scheduler.validate.advice import advise

TasksFor = Callable[[tuple[str, ...]], Tasks]  #: the tasks that exist beside a file that imports these modules
#: What only a fault of this program raises while it judges a file.
OUR_FAULTS = (ArithmeticError, AttributeError, LookupError, NameError, RecursionError, TypeError, ValueError)
OVERRIDDEN = "the application's beat_schedule declares it too, and the file's counts"
NO_FILE = "there is no {}: only the schedules of the application run"


@dataclass(frozen=True)
class Checked:
    """A schedule file, read and validated."""

    validated: Validated
    digest: str
    path: Path
    calendars: Mapping[str, Any]
    positions: schedule_file.Positions
    patterns: tuple[str, ...] = ()  #: from `include:`
    files: tuple[Path, ...] = ()  #: the included files
    unended: tuple[str, ...] = ()  #: files whose last line has no line break
    imports: tuple[str, ...] = ()
    brought: Brought = NOTHING  #: what the application declares itself
    beside: Mapping[str, Declared] = field(default_factory=dict)  #: of that, what can be loaded
    beside_problems: tuple[Problem, ...] = ()
    is_missing: bool = False  #: whether there is no file, only an application that declares schedules

    @property
    def is_unreadable(self) -> bool:
        """Whether the file could not be read at all: problems inside it would have a position."""
        return any(problem.position is None and not problem.schedule for problem in self.validated.errors)

    @property
    def declared(self) -> dict[str, Declared]:
        """The schedules of the file, and of the application those that the file does not declare."""
        return {**self.beside, **self.validated.declared}

    @property
    def broken(self) -> frozenset[str]:
        """Schedules of the application that cannot be loaded: those that were loaded before stay as they are."""
        return self.brought.unsaid | (self.brought.fields.keys() - self.beside.keys())

    def notes(self) -> tuple[Problem, ...]:
        """Problems of what the application declares, which do not stop the file, and what the file overrides."""
        named = self.validated.declared.keys()
        overridden = [
            Problem(OVERRIDDEN, "delete one of the two", name, severity="warning")
            for name in self.brought.fields
            if name in named
        ]
        missing = [Problem(NO_FILE.format(self.path), severity="warning")] if self.is_missing else []
        return (*missing, *(problem for problem in self.beside_problems if problem.schedule not in named), *overridden)

    def advice(self) -> tuple[Problem, ...]:
        """Warnings about the coming year, with positions."""
        warnings = advise(self.validated.declared, clock())
        return tuple(
            replace(it, position=self.positions.nearest(("schedules", it.schedule, it.key))) for it in warnings
        )


def judged(document: schedule_file.Document, tasks: Tasks, progress: Callable[[], None]) -> Validated:
    """What ``validate`` says of a file; a fault of this program there rejects the file, and ends no beat that leads."""
    try:
        return validate(document, tasks=tasks, progress=progress)
    except OUR_FAULTS as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        what = f"cannot be checked: {type(error).__name__}: {printable(str(error), 200)}"
        place = f"{Path(at.filename).name}:{at.lineno}"
        remedy = f"this is a fault of the scheduler, in {place}: undo the last change of the file, and report it"
        return Validated({}, (*document.problems, Problem(what, remedy, position=Position(document.name, 1, 1))))


def check(
    path: Path,
    tasks: Tasks | TasksFor,
    brought: Brought = NOTHING,
    progress: Callable[[], None] = lambda: None,
    expect: Callable[[int], None] = lambda count: None,
) -> Checked:
    """Read and validate a file, without Redis or a running service; ``brought`` is what the application declares.

    That takes a while with many schedules, in which ``progress`` is called again and again: for each of the
    schedules whose number ``expect`` is told before.
    """
    document = schedule_file.read(path)
    progress()
    missing = bool(brought.sources) and not os.path.lexists(path)
    if missing:
        document = schedule_file.empty(path)
    if callable(tasks):
        tasks = tasks(document.imports)
    calendars, schedules = document.data.get("calendars"), document.data.get("schedules")
    expect(len(schedules) if isinstance(schedules, (dict, list)) else 0)
    valid = judged(document, tasks, progress)
    known = calendars if isinstance(calendars, dict) else {}
    included = document.patterns, document.files, document.unended, document.imports
    beside, wrong = validate_beside(document, brought.fields, tasks=tasks)
    problems = (*brought.problems, *(replace(it, what=f"the application's beat_schedule: {it.what}") for it in wrong))
    return Checked(
        valid, document.digest, path, known, document.positions, *included, brought, beside, problems, missing
    )
