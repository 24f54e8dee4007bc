"""With SCHEDULER_LOG_FORMAT=json, every log line of beat, worker and page is a JSON object."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import textwrap
from pathlib import Path
from typing import Any

from scheduler.errors import Exit
from tests.integration.admin.test_serving import GUNICORN
from tests.integration.admin.test_start import GOOD, ROOT
from tests.support.polling import until
from tests.support.service import Program
from tests.support.worker import open_shop, running_worker

TASKS = """
    import os
    import signal
    from logging import getLogger

    from celery import shared_task


    @shared_task(name="books.count")
    def count():
        getLogger("books").warning("counted\\n%d books", 3)
        print("three\\tbooks")


    @shared_task(name="books.burn")
    def burn():
        raise ValueError("no matches")


    @shared_task(name="books.die")
    def die():
        os.kill(os.getpid(), signal.SIGKILL)
"""
JSON = {"SCHEDULER_LOG_FORMAT": "json"}


def objects(text: str) -> list[dict[str, Any]]:
    """Each line from the first that is an object on, after Celery's banner, which our units leave out."""
    lines = text.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("{"))
    return [json.loads(line) for line in lines[first:]]


def of_logger(program: Program, logger: str) -> list[dict[str, Any]]:
    return [it for it in objects(program.output()) if it["logger"] == logger]


def test_beat_and_worker_write_a_json_object_a_line(tmp_path: Path) -> None:
    (tmp_path / "books.py").write_text(textwrap.dedent(TASKS))
    with (
        running_worker(tmp_path, SCHEDULER_IMPORTS="books", **JSON) as (running, worker),
        open_shop(running, worker, tmp_path) as shop,
    ):
        run = shop.run("books.count")
        [counted] = of_logger(worker, "books")
        assert (counted["level"], counted["message"]) == ("WARNING", "counted\n3 books")
        assert (counted["schedule"], counted["run"]) == (run.schedule, run.id)
        assert counted["due"] == run.id.partition("@manual-")[2]
        [printed] = of_logger(worker, "scheduler.output")
        assert (printed["message"], printed["event"], printed["run"]) == ("three\tbooks", "run.output", run.id)
        shop.run("books.burn")
        worker.says('"traceback": ')
        assert any("ValueError: no matches" in it.get("traceback", "") for it in objects(worker.output()))
        shop.send("books.die")
        (tmp_path / "schedules.yaml").write_text("schedules: {}\n")
        beat = running.start("beat")
        beat.says("Leading: ")
        worker.says("exited with 'signal 9")
        objects(worker.output())
        assert any(it.get("event") == "beat.leader" for it in objects(beat.output()))


def test_the_page_writes_a_json_object_a_line_also_after_a_reload(tmp_path: Path) -> None:
    command = [*GUNICORN, "--bind=127.0.0.1:0", f"--pid={tmp_path}/admin.pid", "--access-logfile=-"]
    log = tmp_path / "log"
    with log.open("wb") as output:
        page = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **GOOD, **JSON}, stdout=output, stderr=output)
    try:
        until(lambda: "Booting worker" in log.read_text(), 60, "it serves")
        page.send_signal(signal.SIGHUP)
        until(lambda: log.read_text().count("Booting worker") == 2, 60, "it serves again")
    finally:
        page.terminate()
        page.wait(60)
    found = [json.loads(line) for line in log.read_text().splitlines()]
    assert {it["logger"] for it in found} == {"gunicorn.error"}


def test_another_format_is_refused_in_one_line(tmp_path: Path) -> None:
    environ = {**os.environ, **GOOD, "SCHEDULER_LOG_FORMAT": "xml"}
    done = subprocess.run([*GUNICORN, "--check-config"], cwd=ROOT, env=environ, capture_output=True, text=True)
    assert done.returncode == Exit.CONFIG
    assert done.stderr == "scheduler: SCHEDULER_LOG_FORMAT='xml' is not valid: use text or json\n"
