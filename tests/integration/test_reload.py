"""``python3 -m scheduler reload PID``, as systemd's ExecReload gives it: the answer is beat's own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler.errors import Exit
from scheduler.settings import Settings
from tests.support.notify_socket import NotifySocket
from tests.support.redis_server import redis_server
from tests.support.service import Service, service, short_leases

LINE = "  {name}: {{task: scheduler.tasks.log_it, every: 1h, args: [1, 2]}}\n"
GOOD = "schedules:\n" + "".join(LINE.format(name=name) for name in ("first", "second", "third"))
REFUSED = [
    (GOOD.replace("every", "evry"), "schedules.yaml:2:3: "),
    ("schedules:\n" + LINE.format(name="fourth"), "would remove 3 of 3 schedules, so nothing was changed"),
    (GOOD[: GOOD.index("  third")].rstrip(), "schedules.yaml has no line break at its end, as if cut short"),
    (None, "schedules.yaml"),
]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Service]:
    """A leader with three schedules."""
    with redis_server() as redis:
        settings = short_leases(redis.url, tmp_path)
        settings.file.write_text(GOOD)
        with service(settings) as made:
            made.start("beat").says("Loaded .*: 3 add")
            yield made


def reload(stage: Service, *pid: int | str) -> tuple[int, str]:
    """Exit code and standard error."""
    environ = {name: value for name, value in stage.environ.items() if name != "SCHEDULER_REDIS_URL"}
    command = [sys.executable, "-m", "scheduler", "reload", *map(str, pid)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=100, check=False)
    return done.returncode, done.stderr


def test_what_the_leader_loads_is_a_success_and_what_it_refuses_is_a_failure_with_the_reason(stage: Service) -> None:
    (beat,) = stage.programs
    assert reload(stage, beat.pid) == (Exit.OK, "")
    for text, said in REFUSED:
        stage.settings.file.unlink(missing_ok=True)
        if text is not None:
            stage.settings.file.write_text(text)
        code, told = reload(stage, beat.pid)
        assert (code, said in told) == (Exit.PROBLEMS, True), told
        assert all(line.startswith("scheduler: ") for line in told.splitlines())
    stage.settings.file.write_text(GOOD + LINE.format(name="fourth"))
    assert reload(stage, beat.pid) == (Exit.OK, "")
    assert beat.count("Loaded .*: 1 add") == 1
    assert not beat.count(r"Loaded .*\d remove")


def test_only_a_beat_of_this_service_gets_the_signal_and_it_is_found_without_its_number(
    stage: Service, tmp_path: Path
) -> None:
    (beat,) = stage.programs
    assert reload(stage) == (Exit.OK, "")
    stranger = subprocess.Popen(["sleep", "600"])
    (tmp_path / "claims.pid").write_text(f"{stranger.pid}\n")
    try:
        for pid in (stranger.pid, os.getpid()):
            code, told = reload(stage, pid)
            assert (code, "is no beat that holds its pidfile" in told) == (Exit.NO_INPUT, True), told
        assert stranger.poll() is None, "SIGHUP would have ended it"
    finally:
        stranger.kill()
        stranger.wait()
    stage.environ["SCHEDULER_STATE_DIR"] = str(tmp_path / "other")
    assert reload(stage, beat.pid)[0] == reload(stage)[0] == Exit.NO_INPUT


def test_where_proc_is_hidden_the_pidfile_that_a_beat_holds_is_enough(stage: Service, tmp_path: Path) -> None:
    (beat,) = stage.programs
    pidfile = tmp_path / "held.pid"
    held = stage.start("beat", f"--pidfile={pidfile}")
    held.says("Standing by")
    assert reload(stage, f"--pidfile={pidfile}") == (Exit.OK, "")
    held.popen.kill()
    held.popen.wait()
    code, told = reload(stage, f"--pidfile={pidfile}")
    assert (code, f"process {held.pid} does not hold {pidfile}" in told) == (Exit.NO_INPUT, True)
    pidfile.write_text("none")
    assert reload(stage, f"--pidfile={pidfile}")[0] == Exit.NO_INPUT
    assert beat.popen.poll() is None


def test_a_reload_is_answered_although_the_state_directory_cannot_be_written(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.write_text("in the place of the state directory, where even root can make no file")
    with redis_server() as redis:
        settings = Settings(redis_url=redis.url, file=tmp_path / "schedules.yaml", state_dir=tmp_path / "state")
        settings.file.write_text(GOOD)
        with service(settings, SCHEDULER_STATE_DIR=str(closed)) as running:
            beat = running.start("beat")
            beat.says("Cannot write the snapshot")
            settings.file.write_text(GOOD + LINE.format(name="fourth"))
            assert reload(running, beat.pid) == (Exit.OK, "")
            assert beat.count("Loaded .*: 1 add") == 1
            settings.file.write_text(GOOD.replace("every", "evry"))
            code, told = reload(running)
            assert (code, "schedules.yaml:2:3: " in told) == (Exit.PROBLEMS, True), told


def test_a_standby_judges_its_own_file(stage: Service) -> None:
    standby = stage.start("beat2")
    standby.says("Standing by")
    code, told = reload(stage)
    assert (code, "several beats run here" in told) == (Exit.TEMPORARY, True), told
    assert reload(stage, standby.pid) == (Exit.OK, "")
    stage.settings.file.write_text(GOOD.replace("every", "evry", 1))
    code, told = reload(stage, standby.pid)
    assert (code, "schedules.yaml:2:" in told) == (Exit.PROBLEMS, True), told
    assert not standby.count("Leading")


def test_nobody_waits_for_a_redis_that_is_away_or_for_a_process_that_is_gone(tmp_path: Path) -> None:
    systemd = NotifySocket(tmp_path)
    with redis_server() as redis:
        settings = Settings(redis_url=redis.url, file=tmp_path / "schedules.yaml", state_dir=tmp_path)
        settings.file.write_text(GOOD)
        with service(settings, NOTIFY_SOCKET=systemd.path) as running:
            beat = running.start("beat")
            systemd.hears("STATUS=leader")
            redis.stop()
            systemd.hears("STATUS=waiting for Redis")
            code, told = reload(running, beat.pid)
            assert (code, "The file is loaded when Redis can be used again" in told) == (Exit.UNAVAILABLE, True), told
            assert "READY=1" in systemd.listen(), "systemd would show a reload that never ends"
            beat.stop()
            code, told = reload(running, beat.pid)
            assert (code, "there is no process" in told) == (Exit.NO_INPUT, True), told
    systemd.close()
