"""What is known of the application's tasks: how each is called, and what its author says of it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_DOC_CHARS = 1_000


@dataclass(frozen=True)
class TaskHelp:
    """A task with its parameters and its docstring; empty where they are not known."""

    name: str
    signature: str
    doc: str


def help_of(tasks: Mapping[str, inspect.Signature | None] | None, celery: Any, name: str) -> TaskHelp:
    """A task of this Celery application."""
    signature, task = (tasks or {}).get(name), celery.tasks.get(name)
    doc = inspect.cleandoc(task.run.__doc__ or "") if task is not None else ""  # `getdoc` inherits Celery's own
    return TaskHelp(name, shown(signature) if signature else "", doc[:MAX_DOC_CHARS])


class Written(str):
    """An annotation that its module wrote as a text, which is shown without quotes."""

    __slots__ = ()
    __repr__ = str.__str__


def shown(signature: inspect.Signature) -> str:
    """A signature as its author wrote it."""
    bare = [
        it.replace(annotation=Written(it.annotation)) if isinstance(it.annotation, str) else it
        for it in signature.parameters.values()
    ]
    returned = signature.return_annotation
    returned = Written(returned) if isinstance(returned, str) else returned
    return str(signature.replace(parameters=bare, return_annotation=returned))
