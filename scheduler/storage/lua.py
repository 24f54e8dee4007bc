"""The texts of the Lua scripts, of ``scheduler/lua``."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

SHARED = ("_keys", "_counters", "_recent", "_ledger", "_held", "_followers", "_pause", "_pings", "_health")
WORD = re.compile(r"\w+")
#: How a function or constant begins; its names.
PART = re.compile(r"^local (?:function )?([\w, ]+)", re.MULTILINE)
COMMENT = re.compile(r"^ *--.*\n", re.MULTILINE)


@cache
def script_text(*names: str) -> str:
    """The script of these files, one after the other, with what it needs of those in SHARED in front of it.

    Lua has no import in Redis. What a script does not need would be made anew at each call, which takes longer than
    the rest of a small one.
    """
    own = lua_text(*names)
    words = set(WORD.findall(COMMENT.sub("", own)))
    needed: list[str] = []
    for part in reversed(parts(lua_text(*SHARED))):  # each uses only what stands before it
        declared = PART.match(part)
        if declared and not words.isdisjoint(WORD.findall(declared[1])):
            words.update(WORD.findall(part))
            needed.append(part)
    return "".join(reversed(needed)) + own


def parts(text: str) -> list[str]:
    """The functions and constants of a file, without its comments."""
    text = COMMENT.sub("", text)
    starts = [found.start() for found in PART.finditer(text)]
    return [text[at:end] for at, end in zip(starts, [*starts[1:], len(text)], strict=True)]


def lua_text(*names: str) -> str:
    """The text of these files, one after the other."""
    lua = files("scheduler") / "lua"
    return "".join((lua / f"{name}.lua").read_text("utf-8") for name in names)
