"""Import the user's modules, and list the registered tasks."""

from __future__ import annotations

import importlib
import inspect
import traceback
from collections.abc import Iterable, Mapping
from typing import Any

from celery import Celery
from kombu.serialization import registry

from scheduler.errors import ConfigurationError

CANNOT_IMPORT = "cannot import"


class CannotImport(ConfigurationError):
    """One of your modules cannot be imported: fix it, or remove it from SCHEDULER_IMPORTS."""


def import_target(target: str, variable: str) -> Any:
    """Import ``module:attribute``; raises CannotImport, naming the setting ``variable``."""
    module, _, attribute = target.partition(":")
    target_object = import_module(module, variable)
    for part in attribute.split("."):
        try:
            target_object = getattr(target_object, part)
        except AttributeError:
            raise CannotImport(f"{variable}={target}: {module} has no {attribute!r}") from None
    return target_object


def flask_target(target: str) -> Any:
    """What SCHEDULER_FLASK_APP names: a Flask application, or the factory of one; raises CannotImport."""
    named = import_target(target, "SCHEDULER_FLASK_APP")
    if not hasattr(named, "app_context") and not callable(named):
        raise CannotImport(f"SCHEDULER_FLASK_APP={target} is neither a Flask application nor a function that makes one")
    return named


def import_module(name: str, variable: str) -> Any:
    """Import a module; raises CannotImport with the file and line of the error."""
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise CannotImport(
            f"{variable}: {CANNOT_IMPORT} {name!r}: {with_place(error)} — "
            "fix it, or check its name and that the working directory or PYTHONPATH leads to it"
        ) from error


def with_place(error: BaseException) -> str:
    """An error in one line, with the file and line that raised it."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = "" if "importlib" in last.filename else f" at {last.filename}:{last.lineno}"
    return " ".join(f"{type(error).__name__}: {error}".split()) + place


class Registered(dict[str, "inspect.Signature | None"]):
    """Tasks with their signatures (None: unknown); ``refused`` are those whose own serializer no worker accepts."""

    def __init__(self, tasks: Mapping[str, inspect.Signature | None], refused: Mapping[str, str]) -> None:
        super().__init__(tasks)
        self.refused = refused
        self.failed: Mapping[str, str] = {}  #: why modules of the schedule file cannot be imported

    def name_failures(self, failed: Mapping[str, str]) -> None:
        """Set why modules cannot be imported."""
        self.failed = failed

    def add(self, names: Iterable[str]) -> None:
        """Add tasks that only live workers have, so that their signatures are unknown."""
        for name in names:
            self.setdefault(name, None)


def signatures(app: Celery) -> Registered:
    """Every registered task except Celery's own, with its signature (None: unknown)."""
    app.loader.import_default_modules()
    app.finalize()
    tasks = {name: task for name, task in app.tasks.items() if not name.startswith("celery.")}
    refused = {name: task.serializer for name, task in tasks.items() if not is_json(task.serializer)}
    return Registered({name: signature(task) for name, task in tasks.items()}, refused)


def is_json(serializer: str | None) -> bool:
    """Whether kombu writes JSON with the serializer of that name."""
    return serializer is None or registry.name_to_type.get(serializer) == "application/json"


def file_only(app: Celery) -> frozenset[str]:
    """The tasks that act on the machine by their arguments: those with the Celery option ``file_only=True``.

    Only the schedule file may declare a schedule of such a task; see docs/tasks.md.
    """
    app.finalize()
    return frozenset(name for name, task in app.tasks.items() if getattr(task, "file_only", False))


def signature(task: Any) -> inspect.Signature | None:
    """A task's signature, without the ``self`` of a bound task."""
    try:
        return inspect.signature(task.run)
    except (TypeError, ValueError):
        return None
