"""Programs of ``run_command``: what they get, how they end, and what is left of them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scheduler import tasks
from scheduler.tasks import TaskFailed, programs
from tests.support.alive import is_alive
from tests.support.polling import until


def test_a_command_runs_without_a_shell() -> None:
    result = tasks.run_command(["echo", "$HOME; rm", "*"])
    assert result["output"] == "$HOME; rm *\n"
    assert result["exit_code"] == 0


def test_a_command_that_fails_says_how_and_what_it_said_last() -> None:
    with pytest.raises(TaskFailed, match=r"^'sh' failed with exit code 3: disk on fire\nfine\ndisk on fire$") as failed:
        tasks.run_command(["sh", "-c", "echo fine; echo disk on fire >&2; exit 3"])
    assert failed.value.output == "fine\ndisk on fire\n"


@pytest.mark.slow
def test_a_command_that_takes_too_long_is_killed_with_its_children() -> None:
    with pytest.raises(TaskFailed, match=r"^'sh' was stopped: it exceeded its timeout of 2 s: \d+\n") as failed:
        tasks.run_command(["sh", "-c", "sleep infinity & echo $!; wait"], timeout=2)
    child = int(failed.value.output)
    until(lambda: not is_alive(child), 20, "the child is gone")


def test_a_command_that_writes_without_end_is_bounded() -> None:
    result = tasks.run_command([sys.executable, "-c", "print('x' * 3_000_000); print('end')"])
    assert result["output"].endswith("x\nend\n")
    assert len(result["output"]) <= 16_384
    assert result["output_bytes"] == 3_000_005


def test_a_command_that_leaves_a_child_behind_ends_and_the_child_with_it() -> None:
    child = int(tasks.run_command(["sh", "-c", "sleep infinity & echo $!"])["output"])
    assert not is_alive(child)


def test_a_command_that_closes_its_output_is_still_timed() -> None:
    with pytest.raises(TaskFailed, match="was stopped: it exceeded its timeout"):
        tasks.run_command(["sh", "-c", "exec >&- 2>&-; sleep infinity"], timeout=0.3)


def test_a_command_ended_by_a_signal_names_it() -> None:
    with pytest.raises(TaskFailed, match=r"^'sh' was killed by signal 15 \(Terminated\)$"):
        tasks.run_command(["sh", "-c", "kill $$"])


def test_a_command_sees_neither_the_secrets_of_the_service_nor_what_only_its_worker_means(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hidden = (
        "SCHEDULER_SECRET_KEY",
        "CREDENTIALS_DIRECTORY",
        "RUNTIME_DIRECTORY",
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
        "LISTEN_FDS",
        "MAINPID",
        "PIDFILE",
        "CELERY_LOG_LEVEL",
        "_MP_FORK_LOGLEVEL_",
        "JOURNAL_STREAM",
    )
    for name in hidden:
        monkeypatch.setenv(name, "hush")
    monkeypatch.setenv("OTHER", "loud")
    output = tasks.run_command(["env"])["output"]
    assert "OTHER=loud" in output
    assert "hush" not in output


@pytest.mark.parametrize("argv", ["ls -l", [], ["ls", 1], None, {"ls": 1}])
def test_a_command_line_instead_of_a_list_is_refused(argv: Any) -> None:
    with pytest.raises(TaskFailed, match="argv must be a list of text"):
        tasks.run_command(argv)


@pytest.mark.parametrize(
    ("argv", "reason"), [(["no-such-program"], "No such file"), (["ls\0"], "null byte"), ([""], "")]
)
def test_a_command_that_cannot_start_says_why(argv: list[str], reason: str) -> None:
    with pytest.raises(TaskFailed, match=rf"cannot be started: .*{reason}"):
        tasks.run_command(argv)


NAP = "exec sleep 60"
GROUPS = {
    "the program itself": f"echo $$ >> $PIDS; {NAP}",
    "its child": f"sh -c 'echo $$ >> $PIDS; {NAP}' & wait",
    "a child in a session of its own": f"setsid sh -c 'echo $$ >> $PIDS; {NAP}' & wait",
    "an orphan in a session of its own": f"(setsid sh -c 'echo $$ >> $PIDS; {NAP}' &) ; sleep 60",
    "a program that ignores SIGTERM": f"trap '' TERM; echo $$ >> $PIDS; {NAP}",
    "a program that is stopped": "echo $$ >> $PIDS; kill -STOP $$",
}


@pytest.fixture
def pids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[int]]:
    """The process ids that the programs write to $PIDS, as soon as there is one."""
    file = tmp_path / "pids"
    monkeypatch.setenv("PIDS", str(file))
    monkeypatch.setattr(programs, "GRACE_S", 0.5)

    def read() -> list[int]:
        until(lambda: file.exists() and file.read_text().endswith("\n"), 20, "the program runs")
        return [int(line) for line in file.read_text().split()]

    return read


@pytest.mark.parametrize("script", GROUPS.values(), ids=GROUPS)
def test_nothing_that_a_command_started_outlives_the_process_that_ran_it(
    script: str, pids: Callable[[], list[int]]
) -> None:
    body = "from scheduler import tasks; from scheduler.tasks import programs; programs.GRACE_S = 0.5;"
    worker = subprocess.Popen([sys.executable, "-c", f"{body} tasks.run_command({['sh', '-c', script]!r})"])
    [program] = pids()
    assert is_alive(program)
    worker.kill()
    worker.wait()
    until(lambda: not is_alive(program), 20, "the program is gone")


@pytest.mark.slow
@pytest.mark.parametrize("script", GROUPS.values(), ids=GROUPS)
def test_nothing_that_a_command_started_outlives_its_timeout(script: str, pids: Callable[[], list[int]]) -> None:
    for seconds in (1, 4, 16):  # on a busy machine, the first may end before the program has begun
        with pytest.raises(TaskFailed, match=rf"^'sh' was stopped: it exceeded its timeout of {seconds} s"):
            tasks.run_command(["sh", "-c", script], timeout=seconds)
        if Path(os.environ["PIDS"]).exists():
            break
    assert not is_alive(pids()[0])


@pytest.mark.slow
def test_a_command_can_clean_up_at_its_timeout(tmp_path: Path) -> None:
    cleaned = tmp_path / "cleaned"
    script = f"trap 'touch {cleaned}; exit 0' TERM; sleep 60 & wait"
    with pytest.raises(TaskFailed, match="was stopped: it exceeded its timeout of 3 s"):
        tasks.run_command(["sh", "-c", script], timeout=3)
    assert cleaned.exists()


def test_a_command_whose_supervisor_is_killed_ends_and_fails(pids: Callable[[], list[int]]) -> None:
    script = "echo $$ >> $PIDS; kill -KILL $PPID; exec sleep 60"
    with pytest.raises(TaskFailed, match=r"^'sh' was killed: its supervisor \(process \d+\) was killed$"):
        tasks.run_command(["sh", "-c", script])
    until(lambda: not is_alive(pids()[0]), 20, "the program is gone")


def test_a_command_starts_with_the_default_signals() -> None:
    old = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(TaskFailed, match=r"was killed by signal 2 \(Interrupt\)"):
            tasks.run_command([sys.executable, "-Sc", "import os; os.kill(os.getpid(), 2)"])
    finally:
        signal.signal(signal.SIGINT, old)


def open_files() -> set[str]:
    """What this process has open. Each pipe and socket has a name of its own, so a number used again hides nothing."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the list itself is closed by now
            found.add(os.readlink(f"/proc/self/fd/{number}"))
    return found


def test_a_command_leaves_no_open_files() -> None:
    tasks.run_command(["true"])
    before = open_files()
    for _ in range(3):
        tasks.run_command(["true"])
        with pytest.raises(TaskFailed):
            tasks.run_command(["no-such-program"])
        with pytest.raises(TaskFailed, match=r"^'true' cannot be started in '/no/such': No such file"):
            tasks.run_command(["true"], directory="/no/such")
    assert open_files() <= before


def test_a_command_gets_its_variables_beside_the_worker_s_and_its_path_finds_the_program(tmp_path: Path) -> None:
    (tmp_path / "own-tool").write_text('#!/bin/sh\necho "$HOME $GREETING"\n')
    (tmp_path / "own-tool").chmod(0o755)
    environment = {"GREETING": "hello world", "PATH": f"{tmp_path}:/bin:/usr/bin"}
    assert tasks.run_command(["own-tool"], environment=environment)["output"] == f"{os.environ['HOME']} hello world\n"


def test_a_command_reads_its_standard_input_however_long() -> None:
    text = "x" * 200_000 + "\nend"
    assert tasks.run_command(["wc", "-c"], stdin=text)["output"].split() == [str(len(text))]
    assert tasks.run_command(["cat"])["output"] == ""


def test_a_command_succeeds_with_the_exit_codes_that_its_schedule_names() -> None:
    assert tasks.run_command(["sh", "-c", "exit 1"], success_codes=[0, 1])["exit_code"] == 1
    with pytest.raises(TaskFailed, match="failed with exit code 2"):
        tasks.run_command(["sh", "-c", "exit 2"], success_codes=[0, 1])
    with pytest.raises(TaskFailed, match="failed with exit code 0"):
        tasks.run_command(["true"], success_codes=[1])


def test_a_command_without_a_timeout_runs_to_its_end() -> None:
    assert tasks.run_command(["sh", "-c", "sleep 0.1; echo done"], timeout=None)["output"] == "done\n"
