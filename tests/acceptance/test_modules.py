"""Modules and tasks that come later: runs wait for a worker that has their task, and beat learns of tasks."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from scheduler.errors import Exit
from scheduler.model import Run
from scheduler.settings import Settings
from scheduler.storage.client import Client, connect
from scheduler.storage.keys import Keys
from scheduler.storage.store import Store
from scheduler.storage.workers import workers
from tests.support.notify_socket import NotifySocket
from tests.support.polling import until
from tests.support.redis_server import redis_server
from tests.support.service import Service, service

pytestmark = pytest.mark.xdist_group("modules")

TASKS = """
import pathlib
from celery import shared_task

@shared_task(name="late.note", bind=True)
def note(self):
    with pathlib.Path(__file__).with_name("bodies").open("a") as file:
        file.write(self.request.get("scheduler_run") + "\\n")
"""
SCHEDULES = """
schedules:
  s0: {task: late.note, every: 1s, overlap: allow, expires: none}
"""
EXPIRING = "  short: {task: late.note, every: 2s, overlap: allow, expires: 1s}\n"


@dataclass
class Stage:
    """A service, a module `late` that it can import, and its schedule file."""

    running: Service
    client: Client
    module: Path
    file: Path

    @property
    def bodies(self) -> list[str]:
        file = self.module.with_name("bodies")
        return file.read_text().split() if file.exists() else []

    def check(self) -> int:
        """The exit code of `check`."""
        command = [sys.executable, "-m", "scheduler", "check", str(self.file)]
        return subprocess.run(command, env=self.running.environ, capture_output=True, check=False).returncode

    @property
    def runs(self) -> list[Run]:
        return [run for name in ("s0", "short") for run in self.running.runs(name)]

    @property
    def notices(self) -> tuple[str, ...]:
        return (*Store(self.client, Keys()).notices().values(),)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    file, module = tmp_path / "schedules.yaml", tmp_path / "late.py"
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    with redis_server() as redis:
        settings = Settings(redis_url=redis.url, file=file, state_dir=tmp_path / "state", max_interval=1.0)
        more = {"PYTHONPATH": path, "SCHEDULER_RUN_LEASE": "3", "PYTHONDONTWRITEBYTECODE": "1"}
        with service(settings, **more) as running, connect(settings) as client:
            yield Stage(running, client, module, file)


@pytest.fixture
def statuses(tmp_path: Path) -> Iterator[NotifySocket]:
    """What a program says to systemd; read all the time, because a full socket would hold the program up."""
    made, over = NotifySocket(tmp_path), threading.Event()

    def read() -> None:
        while not over.wait(0.05):
            made.listen()

    reader = threading.Thread(target=read)
    reader.start()
    yield made
    over.set()
    reader.join()
    made.close()


def test_runs_wait_for_a_worker_that_can_import_their_task(stage: Stage, statuses: NotifySocket) -> None:
    """The module is broken while the worker starts; the children of its pool exist before it is mended."""
    stage.module.write_text(TASKS)
    stage.file.write_text(f"imports: [late]\n{SCHEDULES}{EXPIRING}")
    beat = stage.running.start("beat")
    beat.says("Loaded ")
    stage.module.write_text("import nothing_of_this_name\n")
    stage.running.environ["NOTIFY_SOCKET"] = statuses.path
    worker = stage.running.start("worker", "--concurrency=1")
    worker.says("cannot import 'late': ModuleNotFoundError")
    worker.says(r"lacks task 'late\.note', so its runs wait")
    until(lambda: any(run.reason == "task lacking" for run in stage.runs), 60, "a run waits")
    until(lambda: any(run.reason == "expired" for run in stage.runs), 60, "a run expires while it waits")
    assert any("lacks task 'late.note'" in notice for notice in stage.notices)
    statuses.hears("takes runs", "lacks late.note, whose runs wait", "cannot import 'late'")
    until(lambda: "cannot import 'late'" in str(workers(stage.client, Keys())), 60, "the worker reports the reason")
    assert not stage.bodies
    stage.module.write_text(TASKS)
    until(lambda: len(stage.bodies) >= 3, 60, "the runs that waited do not run")
    assert "lacks" not in statuses.hears("takes runs")
    beat.stop()
    until(lambda: not {run.outcome for run in stage.runs} & {"queued", "running"}, 60, "every run ends")
    ran = [run for run in stage.runs if run.outcome == "succeeded"]
    assert {(run.outcome, run.reason) for run in stage.runs if run not in ran} == {("skipped", "expired")}
    assert not any(run.schedule == "s0" for run in stage.runs if run not in ran)
    assert sorted(stage.bodies) == sorted(run.id for run in ran)
    assert {run.attempt for run in ran} == {1}
    assert worker.count("lacks task") == 1


def test_beat_takes_a_task_that_only_a_live_worker_has_and_check_agrees(stage: Stage) -> None:
    stage.module.write_text(TASKS)
    stage.file.write_text(SCHEDULES)
    beat = stage.running.start("beat")
    beat.says("Rejected .*unknown task 'late.note'")
    assert stage.check() == Exit.PROBLEMS
    stage.running.environ["SCHEDULER_IMPORTS"] = "late"
    stage.running.start("worker", "--pool=solo")
    del stage.running.environ["SCHEDULER_IMPORTS"]
    beat.says("Loaded ")
    assert stage.check() == Exit.OK
    until(lambda: stage.bodies, 60, "it runs")


def test_beat_imports_what_a_mended_file_names_and_takes_it_when_its_module_is_mended(stage: Stage) -> None:
    stage.file.write_text("schedules: {}\n")
    beat = stage.running.start("beat")
    beat.says("Loaded ")
    stage.running.environ["SCHEDULER_RUN_LEASE"] = "30"  # so that the worker hears of the module from a run first
    worker = stage.running.start("worker", "--pool=solo")
    worker.says(r" ready\.")
    stage.module.write_text("import nothing_of_this_name\n")
    stage.file.write_text(f"imports: [late]\n{SCHEDULES}")
    beat.says(r"Rejected .*schedules.yaml:1:11: .*cannot import 'late'")
    assert stage.check() == Exit.CONFIG
    stage.module.write_text(TASKS)
    beat.says("Loaded ", times=2)
    assert stage.check() == Exit.OK
    assert beat.count("Rejected ") == 1
    until(lambda: stage.bodies, 60, "it runs")
    assert worker.count("lacks task") == 0
