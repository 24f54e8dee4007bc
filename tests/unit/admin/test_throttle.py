"""How long a guesser has to wait."""

from __future__ import annotations

from scheduler.admin.throttle import MAX_ADDRESSES, MAX_WAIT_S, RESET_AFTER_S, Throttle, pause


def test_the_first_mistakes_are_free_and_then_each_doubles_the_wait() -> None:
    assert [pause(count) for count in range(8)] == [0, 0, 0, 1, 2, 4, 8, 16]
    assert pause(1_000_000) == MAX_WAIT_S


def test_the_count_starts_anew_after_a_quarter_of_an_hour() -> None:
    now = 0.0
    throttle = Throttle(lambda: now)
    for _ in range(5):
        throttle.failed("guesser")
    assert throttle.wait("guesser") == 4
    now += RESET_AFTER_S + 1
    throttle.failed("guesser")
    assert throttle.wait("guesser") == 0


def test_it_remembers_so_many_addresses_and_no_more() -> None:
    throttle = Throttle(lambda: 0.0)
    for number in range(MAX_ADDRESSES + 5):
        throttle.failed(str(number))
    assert len(throttle._wrong) == MAX_ADDRESSES
