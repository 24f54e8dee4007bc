"""What ``python -m bench`` says of its own figures."""

from __future__ import annotations

import json
import re

import pytest

from bench import growth
from bench.__main__ import is_stable, line
from bench.chart import draw
from bench.rows import Pair, Row


@pytest.mark.parametrize(
    ("found", "stable"),
    [
        ([1.0, 1.02, 0.99, 1.0], False),
        ([1.0, 1.02, 0.99, 1.0, 1.01], True),
        ([1.0, 2.0, 3.0, 1.0, 4.0], False),
        ([9.0, 1.0, 1.01, 0.99, 1.0], True),
    ],
)
def test_a_ratio_is_called_stable_when_more_rounds_would_hardly_move_it(found: list[float], *, stable: bool) -> None:
    assert is_stable(found) is stable


def test_a_row_says_that_its_goal_was_not_reached_and_that_it_swings() -> None:
    row = Row("sending", "messages/s", 15, 2)
    assert line(row, [Pair(50, 10), Pair(90, 10), Pair(20, 10), Pair(20, 10), Pair(90, 10)], 1.25) == (
        "| sending | messages/s | 50 | 10 | 5.00 | ≥ 15, not reached | 5, not stable | 1.2 |\n"
    )
    assert "| ≥ 15 | 5 |" in line(row, [Pair(3000, 100)] * 5, 1.25)


def test_the_picture_of_the_growth_shows_the_measured_data() -> None:
    data = json.loads(growth.DATA.read_text("utf-8"))
    drawn = growth.PICTURE.read_text("utf-8")
    assert growth.picture(data) == drawn
    assert drawn.count("<circle") == len(data["points"])


def test_a_line_that_costs_ten_times_as_much_is_drawn_one_step_higher() -> None:
    drawn = draw("t", "x", "y", {"low": [(1, 10), (10, 10)], "high": [(1, 100), (10, 100)]})
    low, high = (float(y) for y in re.findall(r'<polyline points="[0-9.]+,([0-9.]+) ', drawn))
    steps = [float(y) for y in re.findall(r'd="M[0-9]+ ([0-9.]+)H', drawn)]
    assert [low, high] == steps
