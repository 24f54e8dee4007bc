"""The table of reasons against the code that writes them, in Python and in Lua, and against the pages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import scheduler
from scheduler.model import Reason
from scheduler.model.reasons import explain

HERE = Path(scheduler.__file__).parent
TABLE = "model/reasons.py"
LUA = sorted((HERE / "lua").glob("*.lua"))
PYTHON = [path for path in sorted(HERE.rglob("*.py")) if path != HERE / TABLE]
TEMPLATES = sorted((HERE / "admin/templates").glob("*.html"))
#: Words that name something else in the code too: policies, modes, outcomes, columns of Redis.
ALSO_OTHER_WORDS = {"missed", "overlap", "paused", "excluded", "error", "lost", "removed", "rerun", "stopped"}
ALSO_OTHER_WORDS |= {"forgotten"}
#: What Lua writes and a Python file logs.
LOGGED = {
    "sending/dispatch.py": {Reason.OVERLAP, Reason.NO_QUEUE},
    "beat/lost_runs.py": {Reason.RERUN, Reason.EXPIRED},
    "beat/lost_messages.py": {Reason.RESENT},
    "status/rows.py": {Reason.GROUP},
    "admin/runs.py": {Reason.OVERLAP},
    "sending/later.py": {Reason.LATER},
}


def of_lua(path: Path) -> set[str]:
    """The reasons that a script writes as literals."""
    text = path.read_text("utf-8")
    return {
        *re.findall(r"\bbecause\([\w.]+, '([^']+)'", text),
        *re.findall(r"\bskip_run\([\w., ]+, '([^']+)'", text),
    }


def of_python(path: Path) -> set[str]:
    return {Reason[name].value for name in re.findall(r"\bReason\.([A-Z_]+)", path.read_text("utf-8"))}


def name_of(path: Path) -> str:
    return path.relative_to(HERE).as_posix()


def texts(path: Path) -> Iterator[str]:
    """Every text in a Python file but its docstrings' lines, which are never a whole reason."""
    yield from (
        node.value
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def test_each_file_writes_the_reasons_that_the_table_says() -> None:
    written = {name_of(path): of_lua(path) for path in LUA} | {name_of(path): of_python(path) for path in PYTHON}
    told: dict[str, set[str]] = {}
    for reason in Reason:
        for writer in reason.writers:
            told.setdefault(writer, set()).add(reason.value)
    for name, words in LOGGED.items():
        assert words <= written[name], name
        written[name] = written[name] - words
    assert {name: words for name, words in written.items() if words} == told


def test_every_reason_is_written_by_somebody_and_has_a_sentence_of_its_own() -> None:
    assert all(reason.writers for reason in Reason)
    sentences = [reason.sentence for reason in Reason]
    assert all(re.fullmatch(r"[a-z][^.]*[a-z]|.* Redis", sentence) for sentence in sentences)
    assert len(set(sentences)) == len(sentences)


def test_lua_writes_a_reason_in_one_way_only() -> None:
    assignments = {path.name for path in LUA if re.search(r"\.(reason|detail)\b[^\n=]*=[^=]", path.read_text())}
    assert assignments == {"_ledger.lua"}


@pytest.mark.slow
def test_no_other_file_has_a_reason_or_its_sentence_as_a_text() -> None:
    words = {reason.value for reason in Reason} - ALSO_OTHER_WORDS
    sentences = {reason.sentence for reason in Reason}
    for path in PYTHON:
        assert not (words | sentences) & set(texts(path)), path
    for path in LUA:
        assert not sentences & set(re.findall(r"'([^']*)'", path.read_text("utf-8"))), path
    for path in TEMPLATES:
        assert not words & set(re.findall(r"'([^']*)'", path.read_text("utf-8"))), path
        assert not [sentence for sentence in sentences if sentence in path.read_text("utf-8")], path


def test_a_word_that_another_version_wrote_has_no_sentence_and_no_error() -> None:
    assert explain("expired") == "no worker started it in time"
    assert explain("expired", "facts") == "facts"
    assert explain("of another version") == explain("") == ""
