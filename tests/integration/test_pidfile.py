"""Whatever stands in a pidfile, beat starts; while another beat holds it, none does."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from scheduler.errors import Exit
from scheduler.settings import Settings
from tests.support.service import ROOT, Program, Service, service

ADVICE = "see to its directory and free space"


@pytest.fixture
def running(settings: Settings) -> Iterator[Service]:
    settings.file.write_text("schedules: {}\n")
    with service(settings) as made:
        yield made


def start(running: Service) -> Program:
    beat = running.start("beat")
    beat.says("Leading: ")
    return beat


def pidfile(running: Service) -> Path:
    return running.directory / "beat.pid"


@pytest.mark.parametrize("content", ["", "garbage", "999999999\n", "1\n", f"{os.getppid()}\n"])
def test_a_pidfile_that_nobody_holds_keeps_beat_from_nothing(running: Service, content: str) -> None:
    pidfile(running).write_text(content)
    beat = start(running)
    assert pidfile(running).read_text() == f"{beat.pid}\n"
    beat.stop()
    assert not pidfile(running).exists()


def test_a_killed_beat_keeps_the_next_one_from_nothing(running: Service) -> None:
    first = start(running)
    first.popen.kill()
    first.ends()
    running.start("beat").says("Standing by|Leading")


def test_a_second_beat_with_the_same_pidfile_is_refused(running: Service) -> None:
    first = start(running)
    second = running.start("beat")
    assert second.ends() == Exit.TEMPORARY
    assert f"scheduler: another process holds {pidfile(running)}: stop that one" in second.output()
    assert "Traceback" not in second.output()
    assert pidfile(running).read_text() == f"{first.pid}\n"


def test_a_second_worker_with_the_same_pidfile_is_refused(running: Service) -> None:
    worker = running.start("worker", "--concurrency=1")
    worker.says(r" ready\.")
    second = running.start("worker", "--concurrency=1", "--hostname=second")
    assert second.ends() == Exit.TEMPORARY
    assert (running.directory / "worker.pid").read_text() == f"{worker.pid}\n"


def test_the_children_of_a_killed_worker_do_not_hold_its_pidfile(running: Service) -> None:
    first = running.start("worker", "--concurrency=1")
    first.says(r" ready\.")
    children = Path(f"/proc/{first.pid}/task/{first.pid}/children").read_text().split()
    first.popen.kill()
    first.ends()
    running.start("worker", "--concurrency=1").says(r" ready\.", times=2)
    for child in children:
        with suppress(ProcessLookupError):
            os.kill(int(child), signal.SIGKILL)


def test_a_directory_that_is_missing_is_named(running: Service) -> None:
    beat = Program("beat", running.directory, running.environ, f"--pidfile={running.directory}/none/beat.pid")
    assert beat.ends() == Exit.CANT_CREATE
    assert f"beat.pid: No such file or directory; {ADVICE}" in beat.output()


def test_a_pidfile_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    """As on a full file system: there the file can be made, and holds nothing."""
    program = "import sys; from scheduler.process.pidfile import PidFile; PidFile(sys.argv[1]).acquire()"
    full = f"ulimit -f 0; exec {shlex.join([sys.executable, '-c', program, str(tmp_path / 'beat.pid')])}"
    done = subprocess.run(["sh", "-c", full], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == Exit.CANT_CREATE
    assert done.stderr == f"scheduler: cannot write {tmp_path}/beat.pid: File too large; {ADVICE}\n"
