"""Each event is one log line, from one table."""

from __future__ import annotations

import ast
import logging
import string
from pathlib import Path

import pytest

from scheduler import events
from scheduler.events import EVENTS, emit

PACKAGE = Path(events.__file__).parent


def calls() -> list[tuple[str, str, frozenset[str]]]:
    """Every `emit` in the package: its place, the event, and the names of its fields."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "emit":
                choice = node.args[0]
                names = [n.value for n in ast.walk(choice) if isinstance(n, ast.Constant) and "." in str(n.value)]
                fields = frozenset(keyword.arg or "" for keyword in node.keywords)
                found += [(f"{path.name}:{node.lineno}", str(name), fields) for name in names]
    return found


def placeholders(sentence: str) -> frozenset[str]:
    return frozenset(name for _, name, _, _ in string.Formatter().parse(sentence) if name)


def in_order(value: object) -> object:
    """A test's id that is the same in every process; a set has no order."""
    return str(sorted(value)) if isinstance(value, frozenset) else value


@pytest.mark.parametrize(("place", "event", "fields"), calls(), ids=in_order)
def test_what_the_code_emits_fills_its_sentence(place: str, event: str, fields: frozenset[str]) -> None:
    assert event in EVENTS
    assert placeholders(EVENTS[event][1]) <= fields


def test_every_event_of_the_table_is_emitted_somewhere() -> None:
    assert {event for _, event, _ in calls()} == EVENTS.keys()


def test_an_event_is_one_line_with_its_name_and_fields_beside_it(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "scheduler"):
        emit("entry.quarantined", schedule="job", error="100 % wrong %s")
    (record,) = caplog.records
    assert record.getMessage() == "Schedule 'job' is quarantined until it is changed: 100 % wrong %s"
    assert (record.levelno, record.__dict__["event"]) == (logging.ERROR, "entry.quarantined")
    assert record.__dict__["fields"] == {"schedule": "job", "error": "100 % wrong %s"}


def test_an_error_of_several_lines_is_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "scheduler"):
        emit("entry.quarantined", schedule="job", error="first\nsecond\r\nthird")
    assert len(caplog.records[0].getMessage().splitlines()) == 1


def test_an_unknown_event_and_a_missing_field_are_found_by_tests() -> None:
    with pytest.raises(KeyError):
        emit("no.such.event")
    with pytest.raises(KeyError):
        emit("entry.quarantined", schedule="job")
