"""Beat and workers are restarted while the schedule file is wrong: no run fails, and a mended file is enough."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import yaml

from tests.chaos.accounts import reckon
from tests.chaos.processes import Process
from tests.chaos.service import Service
from tests.support.polling import until

BODIES = "tests.chaos.bodies"


def write(file: Path, **more: object) -> None:
    """A good file: one schedule each second."""
    schedule = {"task": f"{BODIES}.note", "every": "1s", "overlap": "allow", "catch_up": "all", "expires": "none"}
    file.write_text(yaml.safe_dump({"imports": [BODIES], "schedules": {"s0": schedule | more}}), encoding="utf-8")


def cut(file: Path) -> None:
    text = file.read_text()
    file.write_text(text[text.index("schedules") : -20])


def replace_by_directory(file: Path) -> None:
    file.unlink()
    file.mkdir()


WAYS: dict[str, Callable[[Path], object]] = {
    "cut": cut,
    "wrong": lambda file: file.write_text("imports: [tests.chaos.no_such_module]\nschedules: {s0: {task: x}}\n"),
    "empty": lambda file: file.write_text(""),
    "unreadable": replace_by_directory,
    "gone": Path.rmdir,
}


def test_beat_and_workers_restarted_while_the_file_is_wrong_run_everything(service: Service) -> None:
    """Without variables that name the module: only the good file does."""
    write(service.settings.file)
    beat = service.leads(service.beat(imports=""))
    worker = service.worker(imports="")
    service.begins_with_its_ledger("s0")
    runs(service)
    for way in WAYS:
        rejected = beat.output.count("Rejected ")
        WAYS[way](service.settings.file)
        rejects(beat, rejected + 1, way)
        worker.stop()
        worker = service.worker(imports="")
        runs(service)
        if way == "wrong":
            beat.stop()
            beat = service.leads(service.beat(imports=""))
    assert service.store.file_facts()["state"] == "rejected"
    write(service.settings.file, description="mended")
    until(lambda: service.store.get("s0").fields.get("description") == "mended", 60, "the mended file is loaded")
    service.end(beat)
    outcomes = reckon(service)
    assert set(outcomes) == {"succeeded"}
    assert not service.store.notices()


def rejects(beat: Process, times: int, way: str) -> None:
    until(lambda: beat.output.count("Rejected ") >= times, 60, f"beat rejects a file that is {way}")


def runs(service: Service) -> None:
    """Wait for two more bodies."""
    before = len(service.bodies.read_text().splitlines())
    until(lambda: len(service.bodies.read_text().splitlines()) >= before + 2, 60, "no body runs")
