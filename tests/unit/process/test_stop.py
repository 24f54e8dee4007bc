"""A signal is obeyed between two steps, or in the middle of a wait, and never in the middle of a step."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from scheduler.process.stop import Stop


@pytest.fixture
def stop() -> Iterator[Stop]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    taken = Stop()
    taken.take_signals()
    yield taken
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_a_step_is_obeyed_after_it(stop: Stop, number: signal.Signals) -> None:
    os.kill(os.getpid(), number)
    assert stop.asked, "and this line was reached"
    with pytest.raises(SystemExit):
        stop.check()


def test_a_signal_in_a_wait_ends_it(stop: Stop) -> None:
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    with pytest.raises(SystemExit), stop.waiting():
        time.sleep(60)
    timer.join()


def test_a_wait_does_not_begin_after_a_signal(stop: Stop) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(SystemExit), stop.waiting():
        pytest.fail("it waited")


def test_after_a_wait_a_signal_is_only_noted_again(stop: Stop) -> None:
    with stop.waiting():
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    assert stop.asked


def test_nothing_happens_without_a_signal(stop: Stop) -> None:
    stop.check()
    with stop.waiting():
        assert not stop.asked


def test_a_thread_leaves_the_signals_to_the_process() -> None:
    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=Stop().take_signals)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) is before


def test_sighup_asks_for_the_file_and_ends_nothing(stop: Stop) -> None:
    with stop.waiting():
        os.kill(os.getpid(), signal.SIGHUP)
    assert stop.asked_to_reload
    stop.check()
