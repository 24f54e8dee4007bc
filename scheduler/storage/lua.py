"""The texts of the Lua scripts, of ``scheduler/lua``."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache
from importlib.resources import files

SHARED = ("_keys", "_counters", "_recent", "_ledger", "_attempts", "_held", "_followers", "_pause", "_pings", "_health")
#: Functions that few runs need: what only these use is made when one of them is called.
RARE = (
    *("follow", "forget_attempt", "forget_open", "keep_attempt", "let_others_go", "note_change", "note_slow"),
    *("pause_failing", "recount", "stop_run", "write_recent"),
)
WORD = re.compile(r"\w+")
#: How a function or constant begins; its names.
PART = re.compile(r"^local (?:function )?([\w, ]+)", re.MULTILINE)
COMMENT = re.compile(r"^ *--.*\n", re.MULTILINE)
#: A function that makes the name of a key which there is once; its name, and what follows the prefix.
KEY = re.compile(r"^local function (\w+_key)\(prefix\) return prefix \.\. ('[^']*') end\n", re.MULTILINE)

CALL = re.compile(r"\b(\w+_key)\(([\w.\[\]]+)\)")  #: of such a function


@cache
def script_text(*names: str) -> str:
    """The script of these files, one after the other, with what it needs of those in SHARED in front of it.

    Lua has no import in Redis, so each script has a copy of what it shares with others. Each call makes all functions
    of its script again, which takes longer than the rest of a small script. So a script has only the functions that
    it needs, and the names of keys in the place of the functions that make them.
    """
    own = COMMENT.sub("", lua_text(*names))
    often = needed(own, RARE)
    there = [part for part in needed(own) if part in often or not is_function(part)]
    return with_keys("".join(nested(part, often) for part in there) + own)


def needed(text: str, rare: Collection[str] = ()) -> list[str]:
    """What a text needs of the shared files, in their order; without what only the functions called ``rare`` need."""
    words = set(WORD.findall(COMMENT.sub("", text)))
    those: list[str] = []
    for part in reversed(parts(lua_text(*SHARED))):  # each uses only what stands before it
        names = declared(part)
        if not words.isdisjoint(names):
            those.insert(0, part)
            words.update(() if names[0] in rare else WORD.findall(part))
    return those


def nested(part: str, often: Collection[str]) -> str:
    """A function or constant; around a rare function, one that makes what it needs and is not needed ``often``."""
    name = declared(part)[0]
    inner = [it for it in needed(part) if is_function(it) and it not in often] if name in RARE else []
    return f"local function {name}(...)\n{''.join(inner)}{part}return {name}(...)\nend\n" if inner else part


def with_keys(text: str) -> str:
    """A script with the names of keys in the place of the functions that make them."""
    after = dict(KEY.findall(text))

    def name(call: re.Match[str]) -> str:
        return f"({call[2]} .. {after[call[1]]})" if call[1] in after else call[0]

    return CALL.sub(name, KEY.sub("", text))


def declared(part: str) -> list[str]:
    """The names of a function, or of constants."""
    match = PART.match(part)
    return WORD.findall(match[1]) if match else []


def is_function(part: str) -> bool:
    """Whether a part is a function; what a script keeps while it runs is none."""
    return part.startswith("local function ")


@cache
def parts(text: str) -> list[str]:
    """The functions and constants of a file, without its comments."""
    text = COMMENT.sub("", text)
    starts = [match.start() for match in PART.finditer(text)]
    return [text[at:end] for at, end in zip(starts, [*starts[1:], len(text)], strict=True)]


@cache
def texts() -> dict[str, str]:
    """Every file by its name, all read at once: later, those on the disk may be of another release."""
    every = (files("scheduler") / "lua").iterdir()
    return {name: it.read_text("utf-8") for it in every if (name := it.name.removesuffix(".lua")) != it.name}


@cache
def lua_text(*names: str) -> str:
    """The text of these files, one after the other."""
    return "".join(texts()[name] for name in names)
