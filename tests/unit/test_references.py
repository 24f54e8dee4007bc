"""``${VAR}`` and ``${file:/path}``: what is one, who may write one, and what an error shows of it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from scheduler import schedule_file
from scheduler.references import CannotFill, Filled, Hidden, added, malformed
from scheduler.run_words import in_format
from scheduler.validate import validate


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch) -> Filled:
    monkeypatch.setenv("SECRET", "hunter2")
    monkeypatch.setenv("SHORT", "eu")
    return Filled()


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("${SECRET}", "hunter2"),
        ("a-${SECRET}${SECRET}-b", "a-hunter2hunter2-b"),
        ("$${SECRET}", "${SECRET}"),
        ("$$${SECRET}", "$${SECRET}"),
        ("$SECRET $ {} $", "$SECRET $ {} $"),
        ([{"a": ["${SECRET}", 1, None]}], [{"a": ["hunter2", 1, None]}]),
        ({"${SECRET}": "${SHORT}"}, {"${SECRET}": "eu"}),
    ],
)
def test_references_are_filled_in_at_any_depth(filled: Filled, written: Any, value: Any) -> None:
    assert filled.fill(written) == value


def test_an_instant_of_a_run_cannot_be_filled_in_where_there_is_none(filled: Filled) -> None:
    with pytest.raises(CannotFill, match="is of a run, and there is none here"):
        filled.fill("${due:%Y}")


def test_a_file_loses_the_line_end_that_editors_add(filled: Filled, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b" two\nlines \r\n")
    assert filled.fill(f"${{file:{tmp_path}/secret}}") == " two\nlines "


@pytest.mark.parametrize(
    ("raw", "why"), [(b"\xff", "it is not UTF-8 text"), (b"x" * 65_537, "it is longer than 65536")]
)
def test_a_file_that_is_no_secret_is_refused(filled: Filled, tmp_path: Path, raw: bytes, why: str) -> None:
    (tmp_path / "file").write_bytes(raw)
    with pytest.raises(CannotFill, match=why):
        filled.fill(f"${{file:{tmp_path}/file}}")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("${A} ${file:/a b} $${ $${x", ""),
        ("no reference at all", ""),
        ("${", "${"),
        ("${}", "${}"),
        ("${A B}", "${A B}"),
        ("${1A}", "${1A}"),
        ("x ${file:relative} y", "${file:relative}"),
        ("${A} ${env:A}", "${env:A}"),
        ("${A:-default}", "${A:-default}"),
        ("${due} ${due:%Y-%m-%dT%H:%M:%S%z %-d %s %%} ${previous_due:%F} ${run} ${attempt} ${schedule}", ""),
        ("${due:tomorrow}", "${due:tomorrow}"),
        ("${due:%Y-%Q}", "${due:%Y-%Q}"),
        ("${due:%}", "${due:%}"),
        ("${due:}", "${due:}"),
        ("${run:%Y}", "${run:%Y}"),
    ],
)
def test_what_begins_like_a_reference_and_is_none_is_found(text: str, wrong: str) -> None:
    assert malformed(text) == wrong


def test_check_refuses_it_at_its_place() -> None:
    text = 'schedules:\n  a:\n    task: t\n    every: 5m\n    kwargs: {dsn: ["x", "${PW"]}\n'
    (problem,) = validate(schedule_file.parse(text, "s.yaml"), tasks=None).problems
    assert str(problem) == (
        "s.yaml:5:25: schedule 'a': '${PW' is not a valid reference "
        "— write ${NAME} or ${file:/path}, and $${ for a literal ${"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("${due:%Y-%Q}", "error: '${due:%Y-%Q}' is not a valid reference: %Q is no directive — write directives"),
        ("${due:-now}", "error: '${due:-now}' is not a valid reference: it has no directive such as %Y — write"),
        ("${deu:%Y}", "error: '${deu:%Y}' is not a valid reference — did you mean 'due'?"),
        ("${run:%Y}", "error: '${run:%Y}' is not a valid reference — write ${run}: only an instant has a format"),
        ("${deu}", "warning: '${deu}' is an environment variable of the worker — did you mean 'due'?"),
        ("${run_id}", "warning: '${run_id}' is an environment variable of the worker — did you mean 'run'?"),
    ],
)
def test_check_knows_a_word_of_the_run_that_is_misspelt(text: str, said: str) -> None:
    file = f'schedules:\n  a: {{task: t, every: 5m, args: ["{text}"]}}\n'
    (problem,) = validate(schedule_file.parse(file, "s.yaml"), tasks=None).problems
    place, _, sentence = str(problem).partition(" schedule 'a': ")
    assert (place.startswith("s.yaml:2:34:"), problem.severity in said) == (True, True)
    assert sentence.startswith(said.partition(": ")[2])


def test_a_sink_and_a_ping_belong_to_no_run() -> None:
    text = 'ping: "https://hc.example/${due:%Y}"\nschedules: {a: {task: t, every: 5m}}\n'
    (problem,) = validate(schedule_file.parse(text, "s.yaml"), tasks=None).problems
    assert "'${due:%Y}' is no reference here: no run belongs to this place" in str(problem)


def test_a_word_of_the_run_wins_over_a_variable_and_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("schedule", "a variable")
    filled = Filled(lambda word, form: f"<{word} {form}>")
    assert filled.fill(["${schedule}", "a ${due:%F}", "$${due}"]) == ["<schedule >", "a <due %F>", "${due}"]
    assert filled.hide("<schedule >") == "<schedule >"
    assert Filled().fill("${schedule}") == "a variable"


def test_the_page_may_write_words_of_the_run_but_no_variables() -> None:
    assert added({"task": "t", "args": ["${due} ${previous_due:%F} ${run}"]}, {}) == []
    assert added({"task": "t", "args": ["${due} ${SECRET}"]}, {}) == [("args", 0)]
    assert added({"task": "t", "args": ["${due:%F}${file:/etc/shadow}"]}, {}) == [("args", 0)]


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("", "2026-03-29T03:30:00+02:00"),
        ("%Y-%m-%d %H:%M", "2026-03-29 03:30"),
        ("%s", "1774747800"),
        ("%%s %-d %Z", "%s 29 CEST"),
    ],
)
def test_an_instant_is_shown_in_its_own_zone(form: str, text: str) -> None:
    assert in_format(datetime(2026, 3, 29, 3, 30, tzinfo=ZoneInfo("Europe/Berlin")), form) == text


BASE = {"task": "t", "args": ["${A}", "plain"], "kwargs": {"dsn": {"password": "${B}"}}}


@pytest.mark.parametrize(
    ("fields", "paths"),
    [
        (BASE, []),
        (BASE | {"args": ["${A}", "other"]}, []),
        (BASE | {"args": ["$${literal", "x"]}, []),
        (BASE | {"args": ["plain", "${A}"]}, [("args", 1)]),
        (BASE | {"args": ["${A} "]}, [("args", 0)]),
        (BASE | {"args": ["${B}"]}, [("args", 0)]),
        (BASE | {"kwargs": {"dsn": {"user": "${B}"}}}, [("kwargs", "dsn", "user")]),
        (BASE | {"kwargs": {"dsn": "${file:/etc/shadow}"}}, [("kwargs", "dsn")]),
        (BASE | {"task": "other"}, [("args", 0), ("kwargs", "dsn", "password")]),
    ],
)
def test_only_what_the_file_says_at_that_place_of_that_task_may_stay(fields: dict[str, Any], paths: list[Any]) -> None:
    assert added(fields, BASE) == paths
    assert added({key: fields[key] for key in ("task", "args")}, {}) == [
        ("args", index) for index, text in enumerate(fields["args"]) if "${" in text.replace("$${", "")
    ]


def test_an_error_keeps_its_kind_where_that_is_enough(filled: Filled) -> None:
    error = ValueError(filled.fill("no ${SECRET} here"), ["${SECRET}", "hunter2"])
    error.__cause__ = KeyError("hunter2")
    error.add_note("it was hunter2")
    hidden = filled.hide_error(error)
    assert hidden is error
    assert error.args == ("no ${SECRET} here", ["${SECRET}", "${SECRET}"])
    assert not filled.shows(error)


def test_an_error_that_tells_its_text_in_its_own_way_is_replaced(filled: Filled) -> None:
    error = UnicodeDecodeError("utf-8", filled.fill("${SECRET}").encode(), 0, 1, filled.fill("bad ${SECRET}"))
    hidden = filled.hide_error(error)
    assert isinstance(hidden, Hidden)
    assert str(hidden) == "UnicodeDecodeError: 'utf-8' codec can't decode byte 0x68 in position 0: bad ${SECRET}"


def test_an_error_without_a_secret_is_left_alone(filled: Filled) -> None:
    filled.fill("${SECRET} ${SHORT}")
    error = ValueError("neutral")
    assert filled.hide_error(error) is error
    assert error.args == ("neutral",)


def test_a_value_that_is_too_short_to_be_told_from_other_text_is_not_hidden(filled: Filled) -> None:
    filled.fill("${SHORT}")
    assert filled.hide("neutral") == "neutral"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_an_output_shows_no_secret_wherever_it_is_cut(size: int) -> None:
    filled = Filled()
    filled.values = {"pass-word": "${A}", "word": "${B}", "aaab": "${C}"}
    written = b"a pass-word, pass-pass-word, aaaab aaa, pass-"
    rest, shown = b"", b""
    for begin in range(0, len(written), size):
        data, rest = filled.hide_bytes(rest + written[begin : begin + size])
        shown += data
    shown += filled.hide_bytes(rest, is_end=True)[0]
    assert shown == b"a ${A}, pass-${A}, a${C} aaa, pass-"
