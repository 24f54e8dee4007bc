from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Iterator

import pytest

from scheduler.up.merged_log import MergedLog
from scheduler.up.process import Process, Program
from scheduler.up.restarts import MAX_RESTART_PAUSE_S, Restarts
from scheduler.up.supervisor import Supervisor
from tests.support.alive import is_alive
from tests.support.polling import until


@pytest.fixture
def log() -> io.BytesIO:
    return io.BytesIO()


@pytest.fixture
def lifeline() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            continue


@pytest.fixture
def supervisor(log: io.BytesIO, lifeline: tuple[int, int]) -> Iterator[Supervisor]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
    before = {number: signal.getsignal(number) for number in numbers}
    made = Supervisor(MergedLog(log, colour=False), lifeline[0])
    yield made
    made.stop(list(made.running))
    made.close()
    for number, handler in before.items():
        signal.signal(number, handler)


def python(name: str, text: str, **more: object) -> Program:
    return Program(name, [sys.executable, "-S", "-c", text], environ=dict(os.environ), **more)  # type: ignore[arg-type]


def gone(supervisor: Supervisor, name: str) -> None:
    assert supervisor.wait(lambda: name not in supervisor.running, 60)


def test_both_outputs_come_line_by_line_under_the_name_of_who_wrote_them(
    supervisor: Supervisor, log: io.BytesIO
) -> None:
    supervisor.start(python("beat", "import os; os.write(1, b'one\\ntw'); os.write(2, b'o\\n\\nlast, unfinished')"))
    gone(supervisor, "beat")
    assert log.getvalue().decode() == "beat   | one\nbeat   | two\nbeat   | last, unfinished\n"


def test_a_line_that_never_ends_is_cut_and_bytes_that_are_no_text_do_no_harm(
    supervisor: Supervisor, log: io.BytesIO
) -> None:
    supervisor.start(python("beat", "import os; os.write(1, b'x' * 200_000 + b'\\xff\\n')"))
    gone(supervisor, "beat")
    lines = log.getvalue().decode().splitlines()
    assert len(lines) > 3
    assert max(len(line) for line in lines) < 70_000
    assert sum(line.count("x") for line in lines) == 200_000
    assert lines[-1].endswith("\ufffd")


def test_a_child_of_a_child_that_keeps_the_output_open_holds_nobody_up(supervisor: Supervisor) -> None:
    supervisor.start(python("worker", "import subprocess; subprocess.Popen(['sleep', '60'], start_new_session=True)"))
    gone(supervisor, "worker")


def test_what_a_process_leaves_in_its_group_ends_with_it(supervisor: Supervisor, log: io.BytesIO) -> None:
    supervisor.start(python("worker", "import subprocess; print(subprocess.Popen(['sleep', '60']).pid, flush=True)"))
    gone(supervisor, "worker")
    left = int(log.getvalue().split()[-1])
    until(lambda: not is_alive(left), 60, "the group is gone")


def test_who_ignores_the_polite_signals_is_killed_in_the_end(supervisor: Supervisor, log: io.BytesIO) -> None:
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    process = supervisor.start(python("worker", deaf, stop_steps=((signal.SIGTERM, 0.2),), ready="deaf"))
    assert supervisor.wait(lambda: process.is_ready, 60)
    supervisor.stop(["worker"])
    assert process.exit_code == 128 + signal.SIGKILL
    assert "up     | worker did not stop in time: killing it" in log.getvalue().decode()


def test_the_second_signal_of_an_order_is_tried_before_the_kill(supervisor: Supervisor) -> None:
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    steps = ((signal.SIGTERM, 0.2), (signal.SIGQUIT, 20.0))
    process = supervisor.start(python("worker", deaf, stop_steps=steps, ready="deaf"))
    assert supervisor.wait(lambda: process.is_ready, 60)
    supervisor.stop(["worker"])
    assert process.exit_code == 128 + signal.SIGQUIT


def test_a_signal_that_this_process_ignores_ends_its_child(supervisor: Supervisor) -> None:
    before = signal.signal(signal.SIGQUIT, signal.SIG_IGN)
    try:
        process = supervisor.start(
            python("worker", "import time; time.sleep(60)", stop_steps=((signal.SIGQUIT, 20.0),))
        )
        supervisor.stop(["worker"])
        assert process.exit_code == 128 + signal.SIGQUIT
    finally:
        signal.signal(signal.SIGQUIT, before)


def test_the_end_of_the_process_in_front_asks_to_stop(supervisor: Supervisor, lifeline: tuple[int, int]) -> None:
    os.close(lifeline[1])
    supervisor.turn(1)
    assert supervisor.stop_requests == 1


@pytest.mark.parametrize(("same_request_s", "requests"), [(60.0, 1), (0.0, 2)])
def test_signals_that_arrive_soon_after_each_other_are_one_request(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch, same_request_s: float, requests: int
) -> None:
    monkeypatch.setattr("scheduler.up.supervisor.SAME_REQUEST_S", same_request_s)
    supervisor.requested_at = -same_request_s
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGTERM)
        supervisor.turn(0)
    assert supervisor.stop_requests == requests


def test_a_reader_that_is_gone_keeps_nobody_from_being_stopped() -> None:
    read, write = os.pipe()
    os.close(read)
    with open(write, "wb", buffering=0) as stream:
        MergedLog(stream, colour=False).write("beat", "to nobody")


def test_names_are_coloured_where_it_is_wanted(log: io.BytesIO) -> None:
    MergedLog(log, colour=True).write("beat", "tick")
    assert log.getvalue() == b"\x1b[33mbeat   | \x1b[0mtick\n"


def test_the_pause_doubles_for_a_process_that_keeps_ending() -> None:
    restarts = Restarts()
    process = Process(python("beat", "pass"))
    process.popen.wait()
    pauses = [restarts.add(process) for _ in range(8)]
    process.close()
    assert pauses == [1, 2, 4, 8, 16, MAX_RESTART_PAUSE_S, MAX_RESTART_PAUSE_S, MAX_RESTART_PAUSE_S]
    process.started -= 3600
    assert restarts.add(process) == 1
