"""What ``python -m bench`` says of its own figures."""

from __future__ import annotations

import pytest

from bench.__main__ import is_stable, line
from bench.rows import Pair, Row


@pytest.mark.parametrize(
    ("found", "stable"),
    [([1.0, 1.02], False), ([1.0, 1.02, 0.99], True), ([1.0, 2.0, 3.0], False), ([9.0, 1.0, 1.01, 0.99, 1.0], True)],
)
def test_a_ratio_is_called_stable_when_more_rounds_would_hardly_move_it(found: list[float], *, stable: bool) -> None:
    assert is_stable(found) is stable


def test_a_row_says_that_its_goal_was_not_reached_and_that_it_swings() -> None:
    row = Row("sending", "messages/s", 15, 2)
    assert line(row, [Pair(50, 10), Pair(90, 10), Pair(20, 10)], 1.25) == (
        "| sending | messages/s | 50 | 10 | 5.00 | ≥ 15, not reached | 3, not stable | 1.2 |\n"
    )
    assert "| ≥ 15 | 3 |" in line(row, [Pair(3000, 100)] * 3, 1.25)
