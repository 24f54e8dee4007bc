"""Results that are kept until the memory is wanted back."""

from __future__ import annotations

from scheduler.beat.large_load import large_load
from scheduler.kept import forget, kept
from scheduler.timing.builder import build


def test_a_result_is_kept_until_there_are_too_many_or_all_are_forgotten() -> None:
    asked: list[int] = []

    @kept(2)
    def squared(number: int) -> int:
        asked.append(number)
        return number * number

    assert [squared(number) for number in (1, 2, 1, 2)] == [1, 4, 1, 4]
    assert asked == [1, 2]
    assert [squared(number) for number in (3, 1)] == [9, 1]
    assert asked == [1, 2, 3, 1]
    forget()
    assert squared(1) == 1
    assert asked == [1, 2, 3, 1, 1]


def test_after_a_load_nothing_is_kept_of_the_timings_that_it_checked() -> None:
    before = build("cron", "17 3 * * 2")
    assert build("cron", "17 3 * * 2") is before
    with large_load():
        assert build("cron", "17 3 * * 2") is before
    assert build("cron", "17 3 * * 2") is not before
