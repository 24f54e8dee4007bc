"""A Lua script has all that it uses of the shared files, and nothing else."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from scheduler.storage.lua import COMMENT, PART, SHARED, WORD, lua_text, parts, script_text

USE = re.compile(r"\w+(?=\()|\b[A-Z][A-Z_]+\b")  #: a function that is called, or a constant
SCRIPTS = sorted(path.stem for path in Path(str(files("scheduler"))).glob("lua/[!_]*.lua"))


def declared(text: str) -> set[str]:
    """Every function and constant that a script can use."""
    return {name for found in PART.finditer(text) for name in WORD.findall(found[1])}


def test_nothing_of_the_shared_files_stands_outside_their_functions_and_constants() -> None:
    """What did would be in no script."""
    assert "".join(parts(lua_text(*SHARED))).strip() == COMMENT.sub("", lua_text(*SHARED)).strip()


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_has_each_shared_function_that_it_uses_before_its_use(name: str) -> None:
    script = COMMENT.sub("", script_text(name))
    shared = declared(lua_text(*SHARED))
    for part in parts(script):
        known = declared(script[: script.index(part)] + part)
        used = shared & set(USE.findall(part))
        assert used <= known, f"{name} uses {used - known}"


def test_a_script_carries_nothing_of_what_it_does_not_use() -> None:
    assert not {"pause_failing", "note_end", "push_all"} & declared(script_text("claim"))
