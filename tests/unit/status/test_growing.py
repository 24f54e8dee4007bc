"""A queue that only grows is told from one that is busy, and from a burst that is worked off."""

from __future__ import annotations

import pytest

from scheduler.status.growing import Growth, growing
from scheduler.storage.workers import Worker

GROWS = tuple(range(0, 300, 10))


def burst(start: int) -> tuple[int, ...]:
    return tuple(0 if minute < start else 3000 - 100 * (minute - start) for minute in range(30))


def by_a_cron(start: int) -> tuple[int, ...]:
    """A hundred every ten minutes, of which forty are done before the next."""
    return tuple(100 * ((minute + start) // 10) - 4 * (minute + start) + 200 for minute in range(30))


@pytest.mark.parametrize(
    ("readings", "is_named"),
    [
        pytest.param(GROWS, True, id="steadily"),
        pytest.param(tuple(10 * n + (-1) ** n * 15 + 20 for n in range(30)), True, id="up and down"),
        pytest.param(tuple(range(50_000, 50_300, 10)), True, id="a long one"),
        pytest.param(GROWS[:29], False, id="not for long"),
        *(pytest.param(by_a_cron(start), True, id=f"each ten minutes, from {start}") for start in range(10)),
        *(pytest.param(burst(start), False, id=f"a burst that is worked off from {start}") for start in range(8, 26)),
        pytest.param((0,) * 20 + (9000,) * 5 + (0,) * 5, False, id="a burst that is over"),
        pytest.param((40, 80, 20, 60, 30) * 6, False, id="busy"),
        pytest.param((500,) * 30, False, id="always as many"),
        pytest.param(tuple(n // 3 for n in range(30)), False, id="by a few"),
        pytest.param((), False, id="never read"),
    ],
)
def test_a_queue_that_only_grows_is_told_from_one_that_does_not(readings: tuple[int, ...], *, is_named: bool) -> None:
    assert bool(growing([Worker("w", 0.0, 10.0, backlog={"mail": readings})])) == is_named


def test_the_worker_that_has_read_for_longest_decides() -> None:
    new = Worker("new", 0.0, 10.0, backlog={"mail": (290, 0)})
    old = Worker("old", 0.0, 10.0, backlog={"mail": GROWS})
    assert growing([new, old]) == growing([old, new]) == {"mail": Growth(0, 290)}
