"""Each use of an upstream library's internals is in docs/how-it-works.md, with a test that notices a change."""

from __future__ import annotations

import ast
import inspect
import re
from typing import NamedTuple

import pytest

from tests.support.upstream import ROOT, resolve, uses

DOCUMENT = ROOT / "docs" / "how-it-works.md"
ROW = re.compile(r"^\| `(\S+\.py)` \| (.*?) \| .+ \| `(\S+\.py)::(\w+)` \|$", re.MULTILINE)


class Row(NamedTuple):
    file: str
    names: list[str]
    test_file: str
    test: str


SECTION = DOCUMENT.read_text("utf-8").partition("## Upstream internals")[2].partition("\n## ")[0]
ROWS = [Row(file, re.findall(r"`(\S+)`", names), *test) for file, names, *test in ROW.findall(SECTION)]


def fits(use: str, name: str) -> bool:
    """Whether a name of the table is that of the use; of an object the source does not tell whose attribute it is."""
    return use == name or ("." not in use and name.split(".")[-1] == use)


def test_every_line_of_the_table_is_a_row() -> None:
    assert len(ROWS) == SECTION.count("\n| `") > 15


@pytest.mark.slow
def test_every_use_is_in_the_table() -> None:
    told = [(row.file, name) for row in ROWS for name in row.names]
    missing = [use for use in uses() if not any(use.file == file and fits(use.name, name) for file, name in told)]
    assert missing == [], "add a row, and a test that notices when upstream changes it"


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.names[0])
def test_every_row_is_still_true(row: Row) -> None:
    assert any(use.file == row.file and fits(use.name, name) for use in uses() for name in row.names), "drop the row"
    tree = ast.parse((ROOT / row.test_file).read_text("utf-8"))
    assert row.test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for name in row.names:
        assert "." not in name or is_there(name), f"the installed library has no {name}"


def is_there(name: str) -> bool:
    """Whether the library has the name, or, for what only its instances have, sets it somewhere in the same module."""
    try:
        resolve(name)
    except (AttributeError, ImportError):
        owner, _, attribute = name.rpartition(".")
        module = inspect.getmodule(resolve(owner))
        return module is not None and f"self.{attribute} = " in inspect.getsource(module)
    return True
