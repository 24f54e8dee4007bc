"""Which tasks there are: the user's modules, imported with an error that a person can act on."""

from __future__ import annotations

import importlib
import inspect
import traceback
from typing import Any

from celery import Celery

from scheduler.errors import ConfigurationError


class CannotImport(ConfigurationError):
    """A module of yours cannot be imported: mend it, or take it out of SCHEDULER_IMPORTS."""


def import_target(target: str, variable: str) -> Any:
    """The object that ``module:attribute`` names; raises CannotImport."""
    module, _, attribute = target.partition(":")
    found = import_module(module, variable)
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise CannotImport(f"{variable}={target}: {module} has no {attribute!r}") from None
    return found


def import_module(name: str, variable: str) -> Any:
    """Import a module; raises CannotImport with the innermost place of the error."""
    try:
        return importlib.import_module(name)
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = "" if "importlib" in last.filename else f" at {last.filename}:{last.lineno}"
        raise CannotImport(
            f"{variable}: cannot import {name!r}: {type(error).__name__}: {error}{place} — "
            "mend it, or check the name and that it can be found from the working directory"
        ) from error


def signatures(app: Celery) -> dict[str, inspect.Signature | None]:
    """Every registered task but Celery's own, with the signature its arguments must fit (None: unknown)."""
    app.loader.import_default_modules()
    app.finalize()
    return {name: signature(task) for name, task in app.tasks.items() if not name.startswith("celery.")}


def signature(task: Any) -> inspect.Signature | None:
    """A task's signature, without the ``self`` of a bound task."""
    try:
        return inspect.signature(task.run)
    except (TypeError, ValueError):
        return None
