"""Stored values, read as the type that they should have."""

from __future__ import annotations

import pytest

from scheduler.storage.records import loads, text


@pytest.mark.parametrize(
    ("stored", "shown"), [("a\ud800b", "a?b"), ("\udfff", "?"), ("e\u0301\U0001f600", "e\u0301\U0001f600")]
)
def test_half_a_surrogate_pair_is_shown_as_a_question_mark(stored: str, shown: str) -> None:
    assert text(stored) == shown


def test_an_argument_stays_as_it_is_stored_because_it_is_sent_and_written_again() -> None:
    assert loads('{"args": ["\\ud800"]}') == {"args": ["\ud800"]}
