"""Stored values, read as the type that they should have."""

from __future__ import annotations

import pytest

from scheduler.storage.records import loads


@pytest.mark.parametrize(
    ("stored", "value"),
    [
        (r'{"task_id": "\ud800"}', {"task_id": "?"}),
        (r'["\UD83D", "x"]'.replace("U", "u"), ["?", "x"]),
        (r'"\ud83d\ude00"', "😀"),
        (r'"\\ud800"', r"\ud800"),
    ],
)
def test_half_a_surrogate_pair_becomes_a_question_mark(stored: str, value: object) -> None:
    assert loads(stored) == value
