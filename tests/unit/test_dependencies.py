"""What the package imports is what pyproject.toml declares: nothing comes along by chance, and nothing is left over."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest

from tests.support.upstream import LIBRARIES, PACKAGE, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
NEVER_IMPORTED = {"tzdata"}  #: Python's zoneinfo reads it
BOUNDED = {*LIBRARIES, "celery-redbeat", "gunicorn", "pydantic"}  #: see docs/how-it-works.md; the model needs pydantic


def imported() -> set[str]:
    """The top-level modules that the package imports, wherever in a file; none of Python's own, and not itself."""
    names = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names |= {one.name.partition(".")[0] for one in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.partition(".")[0])
    return names - sys.stdlib_module_names - {"scheduler"}


def declared(requirements: list[str]) -> dict[str, str]:
    """Each distribution's name in lower case, with its versions."""
    return {
        match[1].lower(): match[2] for line in requirements if (match := re.match(r"([\w-]+)(?:\[\w+\])?(.*)", line))
    }


REQUIRED = declared(PROJECT["dependencies"])
OPTIONAL = declared([line for extra in PROJECT["optional-dependencies"].values() for line in extra])


@pytest.mark.slow
def test_every_import_is_declared_and_every_dependency_is_imported() -> None:
    distributions = packages_distributions()
    needed = {
        module: distributions[module][0].lower().replace("_", "-") for module in imported() & distributions.keys()
    }
    assert set(needed.values()) - OPTIONAL.keys() == REQUIRED.keys() - NEVER_IMPORTED
    assert imported() - distributions.keys() <= OPTIONAL.keys(), "an import of nothing that is declared"


def test_a_library_whose_internals_are_used_has_an_upper_bound() -> None:
    unbounded = [name for name, versions in REQUIRED.items() if name in BOUNDED and "<" not in versions]
    assert unbounded == []
