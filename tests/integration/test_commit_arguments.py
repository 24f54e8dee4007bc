"""What Python writes for commit.lua is what Lua reads: the same names have the same values."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from scheduler.sending import commit_arguments
from scheduler.sending.commit_arguments import APART, KEEP, Words
from scheduler.storage.client import Client
from scheduler.storage.lua import lua_text
from scheduler.storage.scripts import Script

READ_ALL = """
local step, at = step_at(1)
local entries = {}
while at <= #ARGV do entries[#entries + 1], at = entry_at(at) end
return cjson.encode({step = step, entries = entries})
"""


class Writer:
    """Calls the writing functions with a different text for each of their parameters."""

    def __init__(self) -> None:
        self.numbers = count()

    def write(self, function: Callable[..., Words], **given: Any) -> tuple[dict[str, str], Words]:
        """The texts by the names of the parameters, and the words."""
        names = [name for name in inspect.signature(function).parameters if name not in given]
        named = {name: f"{name} {next(self.numbers)}" for name in names}
        return named, function(**named, **given)

    def run(self) -> tuple[dict[str, str], Words]:
        return self.write(commit_arguments.run)

    def unusual(self, skips: int) -> tuple[dict[str, Any], Words]:
        made = [self.write(commit_arguments.skip, is_apart=True) for _ in range(skips)]
        named, words = self.write(commit_arguments.unusual, resumed=True, skips=[words for _, words in made])
        return {**named, "resumed": "1", "skips": [{**skip, "is_apart": "1"} for skip, _ in made] or {}}, words

    def entry(self, runs: int, skips: int | None) -> tuple[dict[str, Any], Words]:
        unusual, more = (None, []) if skips is None else self.unusual(skips)
        named, words = self.write(commit_arguments.entry, unusual=more, runs=runs)
        made = [self.run() for _ in range(runs)]
        for _, run_words in made:
            words += run_words
        return {**named, "runs": [run for run, _ in made] or {}} | ({"unusual": unusual} if unusual else {}), words


@pytest.mark.parametrize("shapes", [[], [(1, None)], [(0, 0), (3, 2), (1, None), (0, None), (2, 1), (1, 0)]])
def test_lua_reads_what_python_writes(client: Client, shapes: list[tuple[int, int | None]]) -> None:
    writer = Writer()
    step, words = writer.write(commit_arguments.step)
    entries = []
    for runs, skips in shapes:
        named, more = writer.entry(runs, skips)
        entries.append(named)
        words += more
    told = json.loads(Script(client, lambda: lua_text("_commit_arguments") + READ_ALL)(args=words))
    assert told == {"step": step, "entries": entries or {}}  # Lua has one type for an empty list and an empty object


def test_commit_lua_uses_only_names_that_are_written() -> None:
    script = lua_text("commit")
    for word, function in (
        ("step", commit_arguments.step),
        ("entry", commit_arguments.entry),
        ("unusual", commit_arguments.unusual),
        ("skip", commit_arguments.skip),
        ("run", commit_arguments.run),
    ):
        used = set(re.findall(rf"(?<![\w.]){word}\.(\w+)", script))
        assert used == set(inspect.signature(function).parameters), word
    assert f"== '{KEEP}'" in script
    assert f"== '{APART}'" in script
    assert "ARGV[" not in script
