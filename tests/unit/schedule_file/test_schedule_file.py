"""Reading the file: values, places, and every mistake in the reader's terms."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from scheduler import schedule_file
from scheduler.schedule_file.builder import MAX_DEPTH, MAX_KEYS, Builder


def data(text: str) -> dict[str, Any]:
    document = schedule_file.parse(text, "s.yaml")
    assert not document.problems
    return document.data


def told(text: str) -> list[str]:
    return [str(problem) for problem in schedule_file.parse(text, "s.yaml").problems]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("on", "on"),
        ("no", "no"),
        ("Yes", "Yes"),
        ("y", "y"),
        ("12:30", "12:30"),
        ("09:30", "09:30"),
        ("1:30:00", "1:30:00"),
        ("010", "010"),
        ("08", "08"),
        ("-07", "-07"),
        ("1_000", "1_000"),
        ("2026-12-25", "2026-12-25"),
        ("2026-12-25 10:00:00", "2026-12-25 10:00:00"),
        ("0b11", "0b11"),
        ("1.2.3", "1.2.3"),
        ("+", "+"),
        (".", "."),
        ("0 2 * * *", "0 2 * * *"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-12", -12),
        ("0o17", 15),
        ("0x1F", 31),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-1.50", -1.5),
        (".inf", float("inf")),
        ("-.INF", float("-inf")),
        ("'true'", "true"),
        ('"5"', "5"),
        ("9" * 101, "9" * 101),
    ],
)
def test_a_plain_value_means_what_yaml_1_2_says_or_stays_the_text_that_is_seen(written: str, value: object) -> None:
    read = data(f"key: {written}\n")["key"]
    assert read == value
    assert type(read) is type(value)


def test_nan_is_a_float() -> None:
    read = data("key: .nan")["key"]
    assert read != read


def test_keys_are_the_text_that_is_seen() -> None:
    assert list(data("on: 1\nno: 2\n123: 3\n010: 4\n~: 5\n'q': 6\n")) == ["on", "no", "123", "010", "~", "q"]


def test_block_texts_and_flow_collections_are_read() -> None:
    assert data("a: |\n  x\n  y\nb: [1, {c: d}]\n") == {"a": "x\ny\n", "b": [1, {"c": "d"}]}


def test_aliases_and_merge_keys_are_honoured() -> None:
    text = """
a: &a {task: x, queue: q}
b: {<<: *a, queue: other}
c: {<<: [*a, {queue: lost, tags: [t]}], queue: own}
d: *a
e: &word text
f: *word
"""
    read = data(text)
    assert read["b"] == {"task": "x", "queue": "other"}
    assert read["c"] == {"task": "x", "queue": "own", "tags": ["t"]}
    assert read["d"] == read["a"]
    assert read["f"] == "text"


def test_a_key_of_its_own_wins_over_a_merge_key_that_stands_before_or_after() -> None:
    assert data("a: &a {k: 1}\nb: {k: 2, <<: *a}\n")["b"] == {"k": 2}


def test_a_quoted_merge_key_is_a_plain_key() -> None:
    assert data("a: {'<<': 1}") == {"a": {"<<": 1}}


def test_every_value_and_key_has_its_place() -> None:
    document = schedule_file.parse(
        "schedules:\n  nightly:\n    args: [10, 20]\n    kwargs: {deep: {er: 1}}\n", "s.yaml"
    )
    places = {path: (place.line, place.column) for path, place in document.positions.items()}
    assert places == {
        (): (1, 1),
        ("schedules",): (2, 3),
        ("schedules", "nightly"): (3, 5),
        ("schedules", "nightly", "args"): (3, 11),
        ("schedules", "nightly", "args", 0): (3, 12),
        ("schedules", "nightly", "args", 1): (3, 16),
        ("schedules", "nightly", "kwargs"): (4, 13),
        ("schedules", "nightly", "kwargs", "deep"): (4, 20),
        ("schedules", "nightly", "kwargs", "deep", "er"): (4, 25),
    }
    key = document.positions.key(("schedules", "nightly", "kwargs", "deep"))
    assert str(key) == "s.yaml:4:14"
    assert len(document.positions) == 9


def test_the_place_of_what_is_not_in_the_file_is_the_key_around_it() -> None:
    positions = schedule_file.parse("schedules:\n  nightly: {}\n", "s.yaml").positions
    assert str(positions.nearest(("schedules", "nightly", "task"))) == "s.yaml:2:3"
    assert str(positions.nearest(("timezone",))) == "s.yaml:1:1"
    with pytest.raises(KeyError):
        positions["timezone",]


def test_the_place_of_a_merged_value_is_where_it_is_written() -> None:
    positions = schedule_file.parse("a: &a\n  k: [1]\nb:\n  <<: *a\n", "s.yaml").positions
    assert str(positions["b", "k", 0]) == "s.yaml:2:7"
    assert str(positions.key(("b", "k"))) == "s.yaml:2:3"


def test_columns_count_letters_and_not_bytes() -> None:
    assert str(schedule_file.parse("ключ: 1", "s.yaml").positions["ключ",]) == "s.yaml:1:7"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("cron: * * * * *", "1:7: * * * * * is not quoted, and YAML reads a leading * as a reference"),
        ("cron: */5 * * * *  # often", "1:7: */5 * * * * is not quoted, and YAML reads a leading * as a reference"),
        ("{a: {every: 1h, cron: * 3 * * *}}", "1:23: * 3 * * * is not quoted, and YAML reads a leading *"),
        ("a: {cron: */5 * * * *, queue: x}", "1:11: */5 * * * * is not quoted, and YAML reads a leading *"),
        ("a:\n  - *\n", "2:5: * is not quoted, and YAML reads a leading * as a reference"),
        ("at: @daily", "1:5: a value cannot start with '@' — quote it"),
        ("a: `x`", "1:4: a value cannot start with '`' — quote it"),
        ("a:\n\tb: 1", "2:1: this line is indented with a tab — use spaces"),
        ("a:\n  b: 1\n\tc: 2", "3:1: this line is indented with a tab — use spaces"),
        ("a: b: c", "1:5: a ':' is not allowed here"),
        ("a: 1\n b: 2", "2:3: a ':' is not allowed here"),
        ("a:\n  b: 1\n c: 2", "3:2: this does not fit the lines above"),
        ("a: 'x\nb: 1\n", "1:4: a quote is opened here and never closed — close it"),
        ("a: [1, 2\nb: 3", "1:4: a '[' is opened here and not closed"),
        ("a: {x: 1\nb: 2", "1:4: a '{' is opened here and not closed"),
        ("a: 1\nfoo\nb: 2", "2:1: this line is not 'key: value'"),
        ("'a':1\nb: 2", "1:4: this does not fit the lines above — write key: value, with a space after the colon"),
        ("a: - b", "1:4: a list cannot start here — put each '- item' on a line of its own"),
        ("a:\n  - b\n  c: d", "3:3: a key where the next '- item' of a list is expected"),
        ('a: "\\q"', "1:5: unknown escape sequence after a backslash"),
        ("a: !!python/object:os.x {b: c}", "1:4: tags such as tag:yaml.org,2002:python/object:os.x are not allowed"),
        ("a: !secret x", "1:4: tags such as !secret are not allowed — write the plain value"),
        ("a: !x!y z", "1:4: tags such as !name are not allowed — write the plain value"),
        ("a: *nothing", "1:4: there is no anchor &nothing"),
        ("a: &a [*a]", "1:8: *a refers to itself"),
        ("a: {<<: 3}", "1:9: the merge key << needs a mapping"),
        ("? [a]\n: b", "1:3: a key must be plain text"),
        ("a: 1\n---\nb: 2", "2:1: a second document starts here"),
        ("%YAML 2.0\n---\na: 1", "1:1: this version of YAML is not supported"),
        ("a: x\0", "1:5: the character U+0000 is not allowed in YAML — delete it"),
        ("a: \ud800", "1:4: the character U+D800 is not allowed in YAML — delete it"),
        ("", "1:1: the file is empty — write `schedules: {}` for none"),
        ("# nothing\n---\n", "1:1: the file is empty — write `schedules: {}` for none"),
        ("null", "1:1: the file is empty — write `schedules: {}` for none"),
        ("- a", "1:1: the file is a list, not a mapping with keys such as schedules:"),
        ("\nschedules", "2:1: the file is a single value, not a mapping with keys such as schedules:"),
    ],
)
def test_a_mistake_is_explained_where_it_is(text: str, line: str) -> None:
    problems = told(text)
    assert len(problems) == 1
    assert problems[0].startswith(f"s.yaml:{line}")


def test_a_mistake_in_the_syntax_names_the_schedule_and_key_that_hold_it() -> None:
    problem = schedule_file.parse("schedules:\n  nightly:\n    cron: * 2 * * *\n", "s.yaml").problems[0]
    assert (problem.schedule, problem.key) == ("nightly", "cron")
    assert str(problem).endswith('quote the cron expression: "* 2 * * *"')


def test_a_duplicate_key_names_both_lines_at_any_level() -> None:
    assert told("a: 1\nb:\n  c: 1\n  d: [{e: 1, e: 2}]\n  c: 2\na: 3\n") == [
        "s.yaml:4:14: duplicate key 'e' on lines 4 and 4 — delete or rename one of them",
        "s.yaml:5:3: duplicate key 'c' on lines 3 and 5 — delete or rename one of them",
        "s.yaml:6:1: duplicate key 'a' on lines 1 and 6 — delete or rename one of them",
    ]


def test_mistakes_that_leave_the_rest_readable_do_not_hide_it() -> None:
    document = schedule_file.parse("a: !t 1\na: 2\nimports: [x.tasks, 5]\n", "s.yaml")
    assert len(document.problems) == 2
    assert document.data["imports"] == ["x.tasks", 5]
    assert document.imports == ("x.tasks",)


def test_imports_of_an_odd_shape_are_none() -> None:
    assert schedule_file.parse("imports: x", "s.yaml").imports == ()


def test_control_characters_of_the_file_do_not_reach_the_message() -> None:
    assert told('"\\e[31m": 1\n"\\e[31m": 2\n')[0].startswith("s.yaml:2:1: duplicate key '\\x1b[31m'")


def test_depth_has_a_bound_that_aliases_cannot_get_around() -> None:
    assert data("a: " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1))
    deep = "a: " + "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert told(deep) == [f"s.yaml:1:{3 + MAX_DEPTH}: this is nested more than 32 levels deep — nest less"]
    chain = "a0: &a0 []\n" + "".join(f"a{n}: &a{n} [[[[*a{n - 1}]]]]\n" for n in range(1, 20))
    assert "nested more than 32 levels" in told(chain)[0]


#: bench/limits.py measures what they cost.
EXHAUSTING = (
    "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(f"a{n}: &a{n} [{f'*a{n - 1},' * 9}]\n" for n in range(1, 30)),
    "a0: &a0 {k: v, l: w}\n" + "".join(f"a{n}: &a{n} {{a: *a{n - 1}, b: *a{n - 1}}}\n" for n in range(1, 30)),
    "a0: &a0 {k: v, l: w}\n"
    + "".join(f"a{n}: &a{n} {{x{n}: *a{n - 1}, <<: [{f'*a{n - 1},' * 9}]}}\n" for n in range(1, 30)),
    "a: [" + "x," * 2_100_000 + "]",
    "[" * 2_000_000,
    "{" * 2_000_000,
    "- " * 2_000_000,
    "? " * 2_000_000,
    "a: " * 1_000_000,
    "&a " * 1_000_000,
    "x" * 4_000_000,
    "'" + "x\n\n" * 1_000_000,
    "a: |\n" + "  x\n" * 500_000 + "b",
    "#" * 4_000_000,
    "\n" * 4_000_000 + "a",
    "".join(f"k{n}: 1\n" for n in range(200_000)) + "k0: 2",
    "k: 1\n" * 500_000,
    "a: 'x" + "y" * 21_000_000,
)


@pytest.mark.slow
@pytest.mark.parametrize("text", EXHAUSTING, ids=lambda text: repr(text[:12]))
def test_a_file_made_to_exhaust_is_refused(text: str) -> None:
    document = schedule_file.parse(text, "s.yaml")
    assert document.problems
    assert len(document.problems) <= 500


def test_a_missing_file_a_directory_and_a_device_are_one_problem_each(tmp_path: Path) -> None:
    missing = tmp_path / "schedules.yaml"
    (problem,) = schedule_file.read(missing).problems
    assert str(problem) == (
        f"{missing} cannot be read: no such file or directory — create it, or set SCHEDULER_FILE to another file"
    )
    (problem,) = schedule_file.read(tmp_path).problems
    assert "is a directory" in problem.what
    (problem,) = schedule_file.read(Path("/dev/zero")).problems
    assert "not a regular file" in problem.what
    (problem,) = schedule_file.read(Path("a\0b")).problems
    assert "cannot be read" in problem.what


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (problem,) = schedule_file.read(tmp_path / "pipe").problems
    assert "not a regular file" in problem.what


def test_bytes_that_are_not_utf_8_have_a_place(tmp_path: Path) -> None:
    path = tmp_path / "schedules.yaml"
    path.write_bytes("a: 1\nbé: ".encode() + b"\xff\n")
    (problem,) = schedule_file.read(path).problems
    assert str(problem) == f"{path}:2:5: the file is not UTF-8 text — save it as UTF-8"


def test_a_byte_order_mark_and_windows_line_ends_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "schedules.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    document = schedule_file.read(path)
    assert document.data == {"a": 1, "b": 2}
    assert str(document.positions["b",]) == f"{path}:2:4"


def test_a_file_of_more_than_20_mb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "schedules.yaml"
    path.write_bytes(b"#" * 50_000_000)
    (problem,) = schedule_file.read(path).problems
    assert problem.what == "the file is larger than 20 MB"
    (problem,) = schedule_file.parse("é" * 10_100_000, "s.yaml").problems
    assert problem.what == "the file is larger than 20 MB"


def test_the_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "schedules.yaml"
    path.write_bytes(b"schedules: {}\n")
    digest = schedule_file.read(path).digest
    assert digest == schedule_file.parse("schedules: {}\n", "x").digest
    assert len(digest) == 12
    assert schedule_file.parse("schedules:  {}\n", "x").digest != digest


@pytest.mark.parametrize(
    "text", ["a: 1\nb: [x, 'y', {c: .5}]\n", "a: &a {k: 1}\nb: {<<: *a}\n", "a: on\na: 2", "a: * *"]
)
def test_the_parser_without_c_reads_the_same(text: str) -> None:
    fast, slow = (Builder(text, "s.yaml", loader) for loader in (yaml.CSafeLoader, yaml.SafeLoader))
    roots = [builder.build() for builder in (fast, slow)]
    assert [root.value if root else None for root in roots] == [roots[0].value if roots[0] else None] * 2
    assert [str(problem) for problem in fast.problems] == [str(problem) for problem in slow.problems]


WRONG_KEYS = [
    above + f"\n{indent}".join(f"crom{number}: 1" for number in range(200_000)) + "\n"
    for above, indent in (
        ("", ""),
        ("schedules:\n  a:\n    every: 1h\n    ", "    "),
        ("defaults:\n  ", "  "),
        ("imports:\n  ", "  "),
    )
]


@pytest.mark.parametrize("text", WRONG_KEYS, ids=lambda text: repr(text[:20]))
def test_a_file_of_wrong_keys_is_refused_with_one_error(text: str) -> None:
    (problem,) = told(text)
    assert f"has more than {MAX_KEYS} keys" in problem


def test_thousands_of_schedules_and_as_many_keys_as_allowed_are_read() -> None:
    many = "".join(f"  s{number}: {{task: t}}\n" for number in range(2 * MAX_KEYS))
    assert len(data(f"schedules:\n{many}")["schedules"]) == 2 * MAX_KEYS
    keys = "".join(f"  k{number}: 1\n" for number in range(MAX_KEYS))
    assert len(data(f"any:\n{keys}")["any"]) == MAX_KEYS
