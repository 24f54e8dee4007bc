"""Finds in the source of ``scheduler/`` where it relies on what an upstream library may change without a word.

That is each private name that it uses, each method of an upstream class that it overrides, and each attribute of an
upstream module, class or object that it replaces.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = ROOT / "scheduler"
LIBRARIES = ("amqp", "billiard", "celery", "gunicorn", "kombu", "redbeat", "redis", "urllib3", "vine")
OF_PYTHON = {"_asdict", "_exit", "_fields", "_make", "_replace", "_value_"}  #: of named tuples, ``os`` and enums
DOCUMENTED = {"_type"}  #: of redis-py's ``scan_iter``, whose documentation has it
BY_NAME = ("delattr", "getattr", "hasattr", "setattr")
#: Attributes that these modules set as the documentation of their owner says, or that are ours.
ALLOWED = {
    "args": "Python: of any exception",
    "claim_token": "ours, on Celery's request",
    "claimed_by": "ours, on Celery's request",
    "disabled": "Python: of a logger",
    "exc": "Celery: of Retry",
    "exc_text": "Python: of a log record",
    "excs": "Celery: of Retry",
    "jinja_options": "Flask",
    "message": "Celery: of Retry",
    "msg": "Python: of a log record",
    "nowfun": "Celery: of a schedule",
    "replaced_by": "ours, on Celery's request",
    "scheduler_failed_handlers": "ours, on Celery's application",
    "scheduler_modules": "ours, on Celery's application",
    "scheduler_recorder": "ours, on Celery's application",
    "scheduler_recording": "ours, on Celery's request",
    "scheduler_has_started": "ours, on Celery's request",
    "scheduler_has_returned": "ours, on Celery's request",
    "scheduler_differences": "ours, on Celery's application",
    "scheduler_is_closed": "ours, on Celery's request",
    "scheduler_keep_result": "ours, on Celery's application",
    "scheduler_zone": "ours, on Celery's application",
    "scheduler_line": "ours, on redis-py's client",
    "scheduler_settings": "ours, on Celery's application",
    "throws": "Celery: of a task",
    "track_started": "Celery: of a task",
    "transport_options": "kombu: of a connection",
}


class Use(NamedTuple):
    """One use: the file below ``scheduler/``, the line, and the upstream name, dotted where the source tells whose."""

    file: str
    line: int
    name: str


@cache
def uses() -> list[Use]:
    """Every use in the package."""
    return [
        Use(str(path.relative_to(PACKAGE)), line, name)
        for path in sorted(PACKAGE.rglob("*.py"))
        for line, name in sorted(set(uses_in(ast.parse(path.read_text("utf-8")))))
    ]


def uses_in(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and name of each use in one module."""
    imports, own = imported(tree), {*defined(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield from overridden(node, imports)
        elif isinstance(node, ast.Attribute):
            if is_private(node.attr) and node.attr not in own:
                yield node.lineno, node.attr
            if imports and not isinstance(node.ctx, ast.Load):
                yield from replaced(node, imports)
        elif isinstance(node, ast.Call):
            yield from ((node.lineno, name) for name in handed_over(node) if is_private(name) and name not in own)


def overridden(node: ast.ClassDef, imports: dict[str, str]) -> Iterator[tuple[int, str]]:
    """What a class that inherits from an upstream class defines over it, and sets of its attributes."""
    for base in node.bases:
        upstream = whole_name(base, imports)
        if upstream is None:
            continue
        theirs = unpatched(resolve(upstream))
        source = inspect.getsource(inspect.getmodule(theirs) or theirs)
        for line, name in members(node):
            if not name.startswith("__") and hasattr(theirs, name):
                yield line, f"{upstream}.{name}"
        for line, name in set_on_self(node):
            if hasattr(theirs, name) or re.search(rf"\.{name}\b(?!\()", source):
                yield line, f"{upstream}.{name}"


def replaced(node: ast.Attribute, imports: dict[str, str]) -> Iterator[tuple[int, str]]:
    """The attribute that is set or deleted here, of something that is not this module's own ``self``."""
    if upstream := whole_name(node, imports):
        yield node.lineno, upstream
    elif isinstance(node.value, ast.Name) and node.value.id not in ("cls", "self") and node.value.id[:1].islower():
        is_python = node.attr.startswith("__") and node.attr != "__class__"
        if not is_python and node.attr not in ALLOWED:
            yield node.lineno, node.attr


def handed_over(node: ast.Call) -> Iterator[str]:
    """Names that a call takes as text, and those of its keywords."""
    yield from (keyword.arg for keyword in node.keywords if keyword.arg)
    if isinstance(node.func, ast.Name) and node.func.id in BY_NAME:
        yield from (it.value for it in node.args[1:2] if isinstance(it, ast.Constant) and isinstance(it.value, str))


def defined(tree: ast.Module) -> Iterator[str]:
    """Names that this module defines itself: of functions, of classes without an upstream base, and of ``self``.

    A name that it sets on any other object may be that object's own.
    """
    imports = imported(tree)
    foreign: set[int] = set()
    for node in ast.walk(tree):  # a class comes before its methods
        if isinstance(node, ast.ClassDef):
            yield from (name for _, name in set_on_self(node))
            if any(whole_name(base, imports) for base in node.bases):
                foreign |= {id(member) for member in node.body}
            else:
                yield from (name for _, name in members(node))
        elif isinstance(node, ast.FunctionDef) and id(node) not in foreign:
            yield node.name


def members(node: ast.ClassDef) -> Iterator[tuple[int, str]]:
    for member in node.body:
        if isinstance(member, ast.FunctionDef):
            yield member.lineno, member.name
        targets = member.targets if isinstance(member, ast.Assign) else []
        for target in [member.target] if isinstance(member, ast.AnnAssign) else targets:
            yield member.lineno, ast.unparse(target)


def set_on_self(node: ast.ClassDef) -> Iterator[tuple[int, str]]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store) and ast.unparse(inner.value) == "self":
            yield inner.lineno, inner.attr


def imported(tree: ast.Module) -> dict[str, str]:
    """What each name that is imported from an upstream library stands for."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {one.asname or top(one.name): one.name if one.asname else top(one.name) for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
    return {name: whole for name, whole in names.items() if top(whole) in LIBRARIES}


def whole_name(node: ast.expr, imports: dict[str, str]) -> str | None:
    """The dotted upstream name of this expression; None where it has none."""
    if isinstance(node, ast.Name):
        return imports.get(node.id)
    if isinstance(node, ast.Attribute) and (owner := whole_name(node.value, imports)):
        return f"{owner}.{node.attr}"
    return None


def resolve(name: str) -> Any:
    """The module, class or attribute of that dotted name; raises AttributeError or ImportError where there is none."""
    owner, *rest = name.split(".")
    found: Any = importlib.import_module(owner)
    for part in rest:
        owner = f"{owner}.{part}"
        if not hasattr(found, part):
            importlib.import_module(owner)
        found = getattr(found, part)
    return found


def unpatched(found: Any) -> Any:
    """The upstream class, also after our code put a class of its own in its place."""
    classes = inspect.getmro(found) if inspect.isclass(found) else ()
    return next((it for it in classes if top(it.__module__) != "scheduler"), found)


def top(name: str) -> str:
    return name.partition(".")[0]


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__") and name not in OF_PYTHON | DOCUMENTED
