"""What Lua and Python both know is the same on both sides: key names, fields, words, headers."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

import scheduler
from scheduler.model import Outcome, Run
from scheduler.model.alerts import MAX_FAILURES
from scheduler.sending.headers import RUN_HEADER
from scheduler.sending.message import Message
from scheduler.sending.row import opened
from scheduler.storage import entries
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import NO_EXPIRY
from scheduler.storage.renamed import MAX_RENAMES
from scheduler.storage.scripts import Script
from scheduler.storage.staging import Packed
from tests.support.schedules import declared, entry_of
from tests.support.shop import Shop

HERE = Path(scheduler.__file__).parent
LUA = {path.stem: path.read_text("utf-8") for path in sorted((HERE / "lua").glob("*.lua"))}
EVERYTHING = "\n".join(LUA.values())
RUN_VARIABLES = "run|gone"  #: the names that a run's record has in Lua


def python(*names: str) -> ast.Module:
    return ast.parse("\n".join((HERE / name).read_text("utf-8").partition("import annotations")[2] for name in names))


def test_lua_and_python_build_the_same_key_names(client: Client) -> None:
    keys = Keys("some:prefix:")
    functions = re.findall(r"^local function (\w+)_key\(prefix((?:, \w+)*)\)", LUA["_keys"], re.MULTILINE)
    assert len(functions) > 5
    for name, parameters in functions:
        arguments = ["a name", "3"][: parameters.count(",")]
        text = LUA["_keys"] + f"return {name}_key(unpack(ARGV))"
        built = Script(client, partial(str, text))(args=[keys.prefix, *arguments])
        assert built == (getattr(keys, name)(*arguments) if arguments else getattr(keys, name))


def test_lua_builds_key_names_in_one_place_only() -> None:
    elsewhere = re.sub(r"^local function \w+_key\(.*$", "", EVERYTHING, flags=re.MULTILINE)
    assert not re.findall(r"\.\. ':.*", elsewhere)


def test_a_runs_record_has_only_fields_that_python_reads() -> None:
    known = {field.name for field in fields(Run)} | {"claim"}  # the worker's token, which only Lua compares
    known |= {"error"}  # which close.lua moves to the row of an attempt
    used = {name for _, name in re.findall(rf"\b({RUN_VARIABLES})\.(\w+)", EVERYTHING)}
    used |= {name for _, name in re.findall(rf"\b({RUN_VARIABLES})\['(\w+)'\]", EVERYTHING)}
    of_the_commit = {"id", "record", "payload", "expires"}  # a run to send, see test_commit_arguments.py
    of_open_runs = {"id", "deadline"}
    assert used - of_the_commit - of_open_runs <= known
    assert {"outcome", "until", "count", "queue"} <= used


def test_a_close_has_only_fields_that_a_run_has() -> None:
    calls = [node for node in ast.walk(python("worker/signals.py", "worker/recorder.py")) if isinstance(node, ast.Call)]
    closes = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "close"]
    given = {keyword.arg for call in closes for keyword in call.keywords if keyword.arg}
    assert "result" in given
    assert given - {"token", "when", "unclaimed", "error"} <= {field.name for field in fields(Run)}


def test_a_new_record_is_what_trimming_searches() -> None:
    """Lua finds outcome and due instant of a row by pattern, in what cjson writes and in what Python writes."""
    job = entries.job(entry_of(declared("job")))
    record = opened(job, Message('a "queue"', "payload", "task id"), 1.5, 2.5, 'ann "a"')
    assert record == json.dumps(json.loads(record), separators=(",", ":"))
    assert set(json.loads(record)) <= {field.name for field in fields(Run)}
    patterns = re.findall(r"""string\.match\(rows\[i \+ 1\], '(.*?)'\)""", LUA["_ledger"])
    found = [re.search(pattern.replace("%l", "[a-z]").replace("%d", "[0-9]"), record) for pattern in patterns]
    assert [match and match[1] for match in found] == ["queued", "1.5", None]  # no attempt


def test_lua_knows_the_outcomes_that_python_knows() -> None:
    used = set(re.findall(r"outcome [=~]= '(\w+)'|outcome\w* = '(\w+)'", EVERYTHING))
    words = {word for pair in used for word in pair if word}
    words |= set(re.findall(r"outcome(?:, [\w.]+)* = '(\w+)'", EVERYTHING))
    assert {"queued", "running", "skipped", "lost"} <= words <= set(get_args(Outcome))


@pytest.mark.parametrize(
    ("script", "readers"),
    [
        ("commit", ("sending/dispatch.py", "beat/sender.py")),
        ("claim", ("worker/recorder.py",)),
        ("lose", ("beat/lost_runs.py",)),
        ("send_again", ("beat/lost_messages.py",)),
        ("apply", ("storage/store.py",)),
    ],
)
def test_python_compares_answers_with_words_that_the_script_gives(script: str, readers: tuple[str, ...]) -> None:
    pairs = re.findall(r"return '([a-z ]+)'|\{number, '(\w+)'", LUA[script])
    given = {word for pair in pairs for word in pair if word} | (set(get_args(Outcome)) if script == "claim" else set())
    compares = [node for node in ast.walk(python(*readers)) if isinstance(node, ast.Compare)]
    of_answers = [node for node in compares if ast.unparse(node.left) in ("answer", "outcome", "conflicts")]
    words = {
        one.value for node in of_answers for one in node.comparators if isinstance(one, ast.Constant) and one.value
    }
    assert words, "this test does not find where the answer is read"
    assert words <= given


def test_lua_reads_and_writes_only_fields_that_an_entry_has() -> None:
    reader = (HERE / "storage/entries.py").read_text("utf-8")
    known = set(entries.encode(entry_of(declared("job")))) | {"meta", "count", "revision"}
    own = {"refused"}  # written and read by the scripts that set aside and sweep
    used: set[str] = set()
    for script in ("commit", "adopt", "apply", "put_back", "set_aside", "sweep"):
        for call in re.findall(
            r"'H(?:M?GET|SET|DEL|EXISTS)', (?:key|KEYS\[3\]|prefix \.\. list\[at\]), ([^\n]*)", LUA[script]
        ):
            used |= set(re.findall(r"'([a-z]+)'", call))
    assert {"definition", "seen", "revision", "due"} <= used
    assert used <= known | own
    assert all(f'"{name}"' in reader for name in used - own)


def test_lua_finds_the_run_of_a_message_under_the_header_that_python_writes() -> None:
    assert re.findall(r"""'"(\w+)": \?""", LUA["unclaimed"]) == [RUN_HEADER]


def test_commit_lua_writes_the_meta_that_python_writes(shop: Shop, client: Client, keys: Keys) -> None:
    shop.add()
    shop.commit()
    sent = shop.store.get("job")
    assert sent.total_run_count == 1
    assert client.hget(keys.entry("job"), "meta") == entries.meta(sent.last_run_at, sent.total_run_count)


def test_apply_lua_knows_the_operations_that_python_packs() -> None:
    operations = set(get_args(get_type_hints(Packed)["operation"]))
    compared = set(re.findall(r"(?:operation|list\[at \+ 2\]) == '(\w+)'", LUA["apply"]))
    assert {"add", "remove"} <= compared <= operations


def test_lua_notes_as_many_failures_in_a_row_as_the_file_may_ask_for() -> None:
    assert re.findall(r"MAX_COUNTED = (\d+)", LUA["_health"]) == [str(MAX_FAILURES)]


def test_lua_follows_as_many_renames_as_python() -> None:
    assert re.findall(r"MAX_RENAMES = (\d+)", LUA["_ledger"]) == [str(MAX_RENAMES)]


def test_a_run_without_expiry_is_gone_after_the_same_time_for_lua_and_python() -> None:
    days = re.findall(r"NO_EXPIRY_S = (\d+) \* 86400", LUA["commit"])
    assert days == [str(NO_EXPIRY.days)]
