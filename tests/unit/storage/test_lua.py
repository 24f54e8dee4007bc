"""A Lua script has all that it uses of the shared files, and nothing else."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from scheduler.storage.lua import COMMENT, PART, RARE, SHARED, WORD, lua_text, parts, script_text

USE = re.compile(r"\w+(?=\()|\b[A-Z][A-Z_]+\b")  #: a function that is called, or a constant
#: A rare function, and what it makes when it is called.
INSIDE = re.compile(r"^local function (\w+)\(\.\.\.\)\n(.*?)^return \1\(\.\.\.\)\nend\n", re.MULTILINE | re.DOTALL)
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
    often = INSIDE.sub(r"local function \1() end\n", script)
    check(often, set())
    for rare in INSIDE.finditer(script):
        check(rare[2], declared(INSIDE.sub(r"local function \1() end\n", script[: rare.start()])))


def check(script: str, known: set[str]) -> None:
    """Every shared name that a part of the script uses is known by then."""
    shared = declared(lua_text(*SHARED))
    for part in parts(script):
        known |= declared(part)
        used = shared & set(USE.findall(part))
        assert used <= known, f"{part[:60]} uses {used - known}"


def test_what_only_a_rare_function_needs_is_made_when_that_is_called() -> None:
    script = script_text("close")
    rare = {found[1]: found[2] for found in INSIDE.finditer(script)}
    assert "local function fill_places(" in rare["let_others_go"]
    assert "local function fill_places(" not in INSIDE.sub("", script)


def test_every_rare_function_exists() -> None:
    assert set(RARE) <= declared(lua_text(*SHARED))


def test_a_script_carries_nothing_of_what_it_does_not_use() -> None:
    assert not {"pause_failing", "note_end", "push_all"} & declared(script_text("claim"))
