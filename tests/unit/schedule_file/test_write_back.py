"""A change of a schedule, written back into the text of its file."""

from __future__ import annotations

import difflib
import random
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from scheduler.schedule_file import parse
from scheduler.schedule_file.write_back import CannotSplice, in_file, inherited, splice, unified_diff
from scheduler.schedule_file.write_back.yaml_text import render
from tests.support import need

FILE = """\
# What runs when
timezone: Europe/Berlin
defaults: {expires: 1h}
schedules:

  report:   # for the boss
    task: 'reports.build'   # ours
    cron: 30 2 * * *        # at night
    args:  # numbers
      - 1
      # the second
      - {a: 1, b: "two"}
    kwargs: {format: pdf}
    # timeout: 1h
  # the next one

  sweep: {task: clean.up, every: 1h}   # short
# the end
"""


def changed(text: str, name: str, **values: Any) -> list[str]:
    """The lines that go and come when these fields are set."""
    data = parse(text, "").data
    said = (data["schedules"] or {}).get(name, {}) if "schedules" in data else {}
    after = splice(text, {name: in_file(said, values, inherited(data))}).text
    lines = difflib.ndiff(text.splitlines(), after.splitlines())
    return [line for line in lines if line[0] in "+-"]


def test_a_value_is_replaced_in_its_own_line_with_its_quotes_and_its_comment() -> None:
    assert changed(FILE, "report", task="reports.make", kwargs={"format": "csv"}) == [
        "-     task: 'reports.build'   # ours",
        "+     task: 'reports.make'   # ours",
        "-     kwargs: {format: pdf}",
        "+     kwargs: {format: csv}",
    ]


def test_another_kind_of_timing_takes_the_place_of_the_one_before() -> None:
    assert changed(FILE, "report", cron=None, every="90m") == [
        "-     cron: 30 2 * * *        # at night",
        "+     every: 90m        # at night",
    ]


def test_only_the_item_of_a_list_that_changes_is_touched() -> None:
    assert changed(FILE, "report", args=[1, {"a": 1, "b": "three"}, True]) == [
        '-       - {a: 1, b: "two"}',
        '+       - {a: 1, b: "three"}',
        "+       - true",
    ]


def test_a_new_field_stands_below_the_others_and_below_their_comments() -> None:
    after = splice(FILE, {"report": parse(FILE, "").data["schedules"]["report"] | {"retries": 3}}).text
    assert "    # timeout: 1h\n    retries: 3\n  # the next one\n" in after


def test_a_field_that_is_taken_away_takes_its_lines_along() -> None:
    gone = [line for line in changed(FILE, "report", args=None) if line[0] == "-"]
    assert gone == [f"- {line}" for line in FILE.splitlines()[8:12]]


def test_what_the_top_of_the_file_would_give_is_written_out() -> None:
    assert changed(FILE, "sweep", expires=None, timezone=None) == [
        "-   sweep: {task: clean.up, every: 1h}   # short",
        "+   sweep: {task: clean.up, every: 1h, expires: none, timezone: UTC}   # short",
    ]


def test_a_new_schedule_is_a_block_like_the_others_at_their_end() -> None:
    assert changed(FILE, "mail", task="mail.send", every="5m", kwargs={"to": "a@b", "at": "12:30"}) == [
        "+ ",
        "+   mail:",
        "+     task: mail.send",
        "+     every: 5m",
        '+     kwargs: {to: a@b, at: "12:30"}',
    ]
    assert splice(FILE, {"mail": {"task": "x", "every": "5m"}}).text.endswith("every: 5m\n# the end\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("schedules: {}  # none yet", "schedules:  # none yet\n  a:\n    task: x"),
        ("schedules:\nimports: [y]\n", "schedules:\n  a:\n    task: x\nimports: [y]\n"),
        ("imports: [y]\n", "imports: [y]\n\nschedules:\n  a:\n    task: x\n"),
        ("schedules: {b: {task: y}}\n", "schedules: {b: {task: y}, a: {task: x}}\n"),
        ("schedules:\n    b:\n     task: y", "schedules:\n    b:\n     task: y\n\n    a:\n     task: x"),
        (
            "schedules:\r\n  b:\r\n    task: y\r\n  c: {task: z}\r\n",
            "schedules:\r\n  b:\r\n    task: y\r\n  c: {task: z}\r\n  a:\r\n    task: x\r\n",
        ),
        ("\ufeffschedules:\n  a:\n    task: y\n", "\ufeffschedules:\n  a:\n    task: x\n"),
    ],
    ids=["empty braces", "nothing", "no key", "one line", "indented by four", "CRLF", "byte order mark"],
)
def test_a_schedule_finds_its_place_in_any_file(before: str, after: str) -> None:
    assert splice(before, {"a": {"task": "x"}}).text == after


def test_anchors_and_merges_are_a_reason_to_look_first() -> None:
    text = "x-base: &base {task: x, every: 1h}\nschedules:\n  a:\n    <<: *base\n    args: [1]\n"
    done = splice(text, {"a": {"task": "x", "every": "1h", "args": [2]}})
    assert done.text == text.replace("[1]", "[2]")
    assert done.doubts == ("the block has anchors, aliases or <<, which other values may share",)


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ("  a: {task: x, args: &n [1]}\n  b: {task: x, args: *n}\n", "  b: {task: x, args: [2]}\n", {"args": [2]}),
        ("  a: &a {task: y, args: [1]}\n  b: *a  # both\n", "  b: {task: x, args: [1]}  # both\n", {"args": [1]}),
        ("  b:\n    task: x\n    args: &n [1]\n", "  b:\n    task: x\n    args: &n [2]\n", {"args": [2]}),
        ("  b: &b\n    task: x\n    args: [1]\n", "  b: &b\n    task: x\n    args: [2]\n", {"args": [2]}),
    ],
    ids=["alias", "whole alias", "anchor", "anchored block"],
)
def test_a_value_that_others_may_share_is_changed_for_a_person_to_look_at(
    before: str, after: str, wanted: dict[str, Any]
) -> None:
    done = splice(f"schedules:\n{before}", {"b": {"task": "x", **wanted}})
    assert done.text.endswith(after)
    assert done.doubts == ("the block has anchors, aliases or <<, which other values may share",)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("schedules:\n  a: &a {task: x, args: [1]}\n  b: *a\n", {"a": {"task": "x", "args": [2]}}),
        ("schedules:\n  a: {task: x, args: &n [1]}\n  b: {task: x, args: *n}\n", {"a": {"task": "x", "args": [2]}}),
        ("schedules:\n  a: {task: x, args: &n [1]}\n  b: {task: x, args: *n}\n", {"a": {"task": "x"}}),
        ("schedules:\n  a: {task: x, args: [&n 1, *n]}\n", {"a": {"task": "x", "args": [1, 2]}}),
        ("schedules:\n  a: &a {task: x}\n  b:\n    <<: *a\n    args: [2]\n", {"b": {"args": [1]}}),
        ("{timezone: UTC}\n", {"a": {"task": "x"}}),
        ("schedules:\n  a: {task: x, kwargs: {a: 1}}\n", {"a": {"task": "\ud800", "kwargs": {"a": 1}}}),
    ],
    ids=[
        "anchored block",
        "anchor",
        "anchor that goes",
        "alias in a list",
        "merged key",
        "brackets around all",
        "no text at all",
    ],
)
def test_what_cannot_change_alone_is_refused_with_the_reason(text: str, wanted: dict[str, dict[str, Any]]) -> None:
    with pytest.raises(CannotSplice):
        splice(text, wanted)


def test_comments_that_would_be_lost_are_a_reason_to_look_first() -> None:
    text = "schedules:\n  a:\n    task: x\n    args:\n      - 1  # one\n      - 2\n"
    assert splice(text, {"a": {"task": "x", "args": {"b": 1}}}).doubts == (
        "comments inside the old value would be lost",
    )


@pytest.mark.parametrize(
    "value", ["on", "12:30", "010", "", "1e3", "a: b", "x #y", "null", "\t\n", "é\u2028", "- a", "1h", "a b"]
)
def test_text_is_written_so_that_it_reads_back_as_that_text(value: str) -> None:
    for flow in (False, True):
        assert parse(f"k: {render([value] if flow else value)}", "").data["k"] == ([value] if flow else value)


def test_the_patch_is_one_that_the_patch_command_takes(tmp_path: Path) -> None:
    file = tmp_path / "schedules.yaml"
    for text in (FILE, FILE.replace("\n", "\r\n"), FILE.rstrip(), "x: 1\n" * 50 + FILE + "y: 1\n" * 50):
        after = text.replace("clean.up", "clean.down").replace("'reports.build'", "x")
        file.write_bytes(text.encode())
        patch = unified_diff(text, after, "schedules.yaml").encode()
        subprocess.run([need.program("git"), "apply", "-p0", "-"], input=patch, cwd=tmp_path, check=True)
        assert file.read_bytes().decode() == after
    assert unified_diff(FILE, FILE, "schedules.yaml") == ""


STRANGE = """\
schedules:
  a:   # x
    task: 'foo.bar'
    args:
      - {a: 1}
      - - 2
        - 3
      - b: 1
        c: [1,
          2]
    ? queue
    : reports
    description: |
      hello

  b: {task: x, "args": [1, 2], 'x':1, q}
  c: &c
    task: x
  d: *c
  e:
    <<: *c
    args: &l [1]
    kwargs: {a: *l}
"""
PIECES = [*"\n\t :-{}[],#&*?|>\"'ax", "\r\n", "\n  ", "- ", ": ", "&l ", "*l", "\u2028"]
VALUES = ["x", "# no", 1, None, [1, 2], [1, {"a": 2}], {"a": 1}, {"a": [3], "b": "x"}, "x\ny", [], {}]


@pytest.mark.parametrize("seed", range(4))
def test_a_strange_file_is_changed_as_wanted_or_refused(seed: int) -> None:
    """Whatever can be read: the text that comes back was read again, and compared."""
    chance = random.Random(seed)
    done = 0
    for _ in range(400):
        at, length = chance.randrange(len(STRANGE)), chance.choice([0, 0, 1, 3, 12])
        text = STRANGE[:at] + chance.choice(["", *PIECES]) + STRANGE[at + length :]
        document = parse(text, "")
        schedules = document.data.get("schedules")
        if document.problems or not isinstance(schedules, dict):
            continue
        name = chance.choice([*schedules, "new"])
        said = schedules.get(name, {})
        fields = {
            chance.choice(["task", "args", "kwargs", "queue", "x", "cron"]): chance.choice(VALUES) for _ in range(3)
        }
        wanted = in_file(said if isinstance(said, dict) else {}, fields, frozenset())
        with suppress(CannotSplice):
            after = parse(splice(text, {name: wanted}).text, "")
            assert after.data["schedules"][name] == wanted
            done += 1
    assert done > 20


def test_any_two_texts_differ_by_a_patch_that_makes_one_of_the_other(tmp_path: Path) -> None:
    chance = random.Random(1)
    file = tmp_path / "schedules.yaml"
    for _ in range(40):
        old = [chance.choice(["a\n", "b\n", "x: 1\r\n", "\n"]) for _ in range(chance.randint(1, 30))]
        new = list(old)
        for _ in range(3):
            new.insert(chance.randrange(len(new) + 1), chance.choice(["a\n", "new\n", "\n"]))
            del new[chance.randrange(len(new))]
        before, after = "".join(old), "".join(new)[: chance.choice([None, -1])]
        file.write_bytes(before.encode())
        patch = unified_diff(before, after, "schedules.yaml").encode()
        if before != after:
            subprocess.run([need.program("git"), "apply", "-p0", "-"], input=patch, cwd=tmp_path, check=True)
        assert file.read_bytes().decode() == after
