"""When a password is looked at, after some that were wrong."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from scheduler.admin.throttle import (
    FREE_ATTEMPTS,
    FREE_ATTEMPTS_IN_ALL,
    MAX_ADDRESSES,
    MAX_WAITING,
    MAX_WAITING_EACH,
    RESET_AFTER_S,
    TURN_S,
    Throttle,
)
from tests.support.polling import until


class Clock:
    """Stands still but for whoever sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def throttle(clock: Clock) -> Throttle:
    return Throttle(clock, clock.sleep)


def fail(throttle: Throttle, address: str, times: int) -> None:
    for _ in range(times):
        throttle.failed(address)


def test_the_first_mistakes_are_free_and_then_each_password_waits_for_its_turn(
    throttle: Throttle, clock: Clock
) -> None:
    fail(throttle, "guesser", FREE_ATTEMPTS - 1)
    assert throttle.admit("guesser")
    assert clock.slept == []
    fail(throttle, "guesser", 1)
    admitted = [throttle.admit("guesser") for _ in range(10)]
    assert admitted == [True] * (MAX_WAITING + 1) + [False] * (9 - MAX_WAITING)
    assert clock.slept == [number * TURN_S for number in range(MAX_WAITING + 1)]


def test_a_guesser_leaves_a_turn_for_others_however_many_requests_it_sends(throttle: Throttle) -> None:
    fail(throttle, "guesser", FREE_ATTEMPTS_IN_ALL)
    turns = threading.Event()

    def wait(_: float) -> None:
        turns.wait(60)

    throttle.sleep = wait
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(throttle.admit, "guesser") for _ in range(MAX_WAITING_EACH)]
        until(lambda: throttle._waiting["guesser"] == MAX_WAITING_EACH, 60, "the guesser's requests wait")
        assert not throttle.admit("guesser")
        waiting.append(pool.submit(throttle.admit, "neighbour"))
        until(lambda: throttle._waiting["neighbour"], 60, "the neighbour waits too")
        turns.set()
        assert [request.result() for request in waiting] == [True] * 3
    assert not throttle._waiting


def test_another_address_does_not_wait(throttle: Throttle, clock: Clock) -> None:
    fail(throttle, "guesser", 20)
    assert throttle.admit("neighbour")
    assert clock.slept == []


def test_guesses_from_many_addresses_slow_every_address(throttle: Throttle, clock: Clock) -> None:
    for number in range(FREE_ATTEMPTS_IN_ALL):
        throttle.failed(f"guesser {number}")
    assert [throttle.admit("neighbour") for _ in range(2)] == [True, True]
    assert clock.slept == [0, TURN_S]


def test_the_count_restarts_after_a_quarter_of_an_hour(throttle: Throttle, clock: Clock) -> None:
    fail(throttle, "guesser", 5)
    clock.now += RESET_AFTER_S + 1
    fail(throttle, "guesser", FREE_ATTEMPTS - 1)
    assert [throttle.admit("guesser") for _ in range(20)] == [True] * 20
    assert clock.slept == []


def test_the_right_password_forgets_the_wrong_ones(throttle: Throttle, clock: Clock) -> None:
    fail(throttle, "someone", 5)
    throttle.succeeded("someone")
    assert [throttle.admit("someone") for _ in range(20)] == [True] * 20


def test_it_remembers_so_many_addresses_and_no_more(throttle: Throttle) -> None:
    for number in range(MAX_ADDRESSES + 5):
        throttle.failed(str(number))
    assert len(throttle._wrong) == MAX_ADDRESSES
