"""The page as its unit starts it: gunicorn with our pidfile, and with signs of life for systemd's watchdog."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler.errors import Exit
from tests.integration.admin.test_start import GOOD, ROOT
from tests.support.notify_socket import NotifySocket

GUNICORN = [sys.executable, "-m", "gunicorn", "--config=python:scheduler.admin.serving", "scheduler.web:app"]


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[NotifySocket]:
    listening = NotifySocket(tmp_path)
    yield listening
    listening.close()


def serve(directory: Path, **environ: str) -> subprocess.Popen[str]:
    command = [*GUNICORN, "--bind=127.0.0.1:0", f"--pid={directory}/admin.pid"]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, **GOOD, **environ}, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def page(tmp_path: Path, systemd: NotifySocket) -> Iterator[subprocess.Popen[str]]:
    """It serves, although the pidfile names a process that lives."""
    (tmp_path / "admin.pid").write_text(f"{os.getpid()}\n")
    with serve(tmp_path, NOTIFY_SOCKET=systemd.path) as process:
        try:
            systemd.hears("STATUS=Serving on http://127.0.0.1:")
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=60)


def test_its_pidfile_is_a_lock(page: subprocess.Popen[str], tmp_path: Path) -> None:
    pidfile = tmp_path / "admin.pid"
    assert pidfile.read_text() == f"{page.pid}\n"
    with serve(tmp_path) as second:
        assert f"another process holds {pidfile}: stop that one" in second.communicate(timeout=60)[1]
        assert second.returncode == Exit.TEMPORARY
    assert pidfile.read_text() == f"{page.pid}\n"
    page.terminate()
    page.wait(60)
    assert not pidfile.exists()


def test_a_page_that_was_killed_keeps_the_next_one_from_nothing(
    page: subprocess.Popen[str], tmp_path: Path, systemd: NotifySocket
) -> None:
    page.kill()
    page.wait(60)
    with serve(tmp_path, NOTIFY_SOCKET=systemd.path) as second:
        systemd.hears("STATUS=Serving on ")
        assert (tmp_path / "admin.pid").read_text() == f"{second.pid}\n"
        second.terminate()
        second.communicate(timeout=60)


def test_the_loop_that_looks_after_its_workers_keeps_the_watchdog_quiet(
    page: subprocess.Popen[str], systemd: NotifySocket
) -> None:
    for _ in range(2):
        systemd.hears("WATCHDOG=1")
    page.send_signal(signal.SIGSTOP)
    systemd.listen()
    with pytest.raises(AssertionError, match="not within"):
        systemd.hears("WATCHDOG=1", seconds=3)
    page.send_signal(signal.SIGCONT)
    systemd.hears("WATCHDOG=1")
