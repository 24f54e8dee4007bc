"""What a linter would say of the scripts for Redis; none of ours reads Lua."""

from __future__ import annotations

import tomllib
from pathlib import Path

import scheduler

HERE = Path(scheduler.__file__).parent
WIDTH = tomllib.loads((HERE.parent / "pyproject.toml").read_text("utf-8"))["tool"]["ruff"]["line-length"]


def test_no_line_of_a_script_is_longer_than_one_of_python_may_be() -> None:
    scripts = {path.name: path.read_text("utf-8").splitlines() for path in (HERE / "lua").glob("*.lua")}
    assert scripts
    long = [f"{name}:{at}" for name, lines in scripts.items() for at, line in enumerate(lines, 1) if len(line) > WIDTH]
    assert not long
