"""A schedule file that is saved governs a real beat within about a second, however it was saved."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scheduler import changes
from scheduler.changes import export
from scheduler.schedule_file.watch import REMOVAL_SETTLE_S, SETTLE_S
from scheduler.settings import Settings
from scheduler.storage.client import connect
from scheduler.storage.keys import Keys
from scheduler.storage.store import Store
from tests.support.polling import until
from tests.support.redis_server import redis_server
from tests.support.service import Program, service

pytestmark = pytest.mark.xdist_group("beat")

ABOUT_A_SECOND = 15.0  #: seconds, on a machine that has more to do; a beat that is not woken takes twice as long


class Stage:
    """A beat that leads, its file, and what it made of it."""

    def __init__(self, beat: Program, settings: Settings, store: Store) -> None:
        self.beat = beat
        self.file = settings.file
        self.store = store

    def loads(self, name: str) -> float:
        """Wait until this schedule is there; returns the seconds that it took."""
        begun = time.monotonic()
        until(lambda: name in self.store.names(), 60, f"{name} is not loaded:\n{self.beat.output()}")
        return time.monotonic() - begun


def text(*names: str) -> str:
    return "schedules:\n" + "".join(
        f"  {name}: {{task: scheduler.tasks.log_it, every: 1h, args: [1, 2]}}\n" for name in names
    )


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    (tmp_path / "releases").mkdir()
    (tmp_path / "releases" / "1.yaml").write_text(text("first"))
    file = tmp_path / "schedules.yaml"
    file.symlink_to("releases/1.yaml")
    with redis_server() as redis:
        settings = Settings(
            redis_url=redis.url, file=file, state_dir=tmp_path / "state", lease=100.0, max_interval=30.0
        )
        with service(settings) as running, connect(settings) as client:
            made = Stage(running.start("beat"), settings, Store(client, Keys()))
            made.loads("first")
            until(lambda: made.beat.count("Loaded "), 60, "beat says so")
            yield made
            assert "Traceback" not in made.beat.output()


def swap_the_link(file: Path, body: str) -> None:
    (file.parent / "releases" / "2.yaml").write_text(body)
    new = file.with_suffix(".new")
    new.symlink_to("releases/2.yaml")
    new.rename(file)


def rename_over_it(file: Path, body: str) -> None:
    new = file.with_suffix(".new")
    new.write_text(body)
    new.rename(file)


def write_in_place(file: Path, body: str) -> None:
    file.write_text(body)


def delete_and_make_anew(file: Path, body: str) -> None:
    file.unlink()
    file.write_text(body)


@pytest.mark.parametrize(
    "save", [swap_the_link, rename_over_it, write_in_place, delete_and_make_anew], ids=lambda save: save.__name__
)
def test_a_saved_file_governs_within_about_a_second(stage: Stage, save: Callable[[Path, str], None]) -> None:
    save(stage.file, text("first", "second"))
    assert stage.loads("second") < ABOUT_A_SECOND


def test_what_is_written_to_the_file_governs_as_the_files(stage: Stage) -> None:
    changes.edit(stage.store, "first", stage.store.get("first").fields | {"args": [3, 4]}, tasks=None, by="ann")
    [made] = export.propose(stage.file, None, export.candidates(stage.store))
    export.write(stage.store, made, by="ann")
    until(lambda: not stage.store.get("first").overlay, 20, f"the overlay stays:\n{stage.beat.output()}")
    entry = stage.store.get("first")
    assert entry.base == entry.fields
    assert entry.fields["args"] == [3, 4]
    assert stage.file.is_symlink()
    assert stage.store.file_facts()["state"] == "applied"


def test_a_file_is_not_loaded_before_it_is_written_to_its_end(stage: Stage) -> None:
    """Each half would be a good file by itself."""
    longest, attempt, loaded = SETTLE_S, 0, 0
    while longest >= SETTLE_S and attempt < 10:  # a writer that paused for so long had ended, for all that beat can see
        attempt += 1
        loaded = stage.beat.count("Loaded ")
        longest = written_slowly(stage.file, text("first", *(f"more{attempt}-{number}" for number in range(12))))
        stage.loads(f"more{attempt}-11")
        until(lambda: stage.beat.count("Loaded ") > loaded, 60, "beat says that it loaded")  # noqa: B023
    assert longest < SETTLE_S
    assert stage.beat.count("Loaded ") == loaded + 1
    assert not stage.beat.count("Kept the last good")


def test_a_file_that_is_written_with_long_pauses_loses_no_schedule(stage: Stage) -> None:
    names = ["first", *(f"more-{number}" for number in range(5))]
    stage.file.write_text(text(*names))
    stage.loads(names[-1])
    pause, attempt = REMOVAL_SETTLE_S, 0
    while pause >= REMOVAL_SETTLE_S and attempt < 10:
        attempt += 1
        before = stage.beat.count(r"Loaded .*\d remove")
        begun = time.monotonic()
        stage.file.write_text(text(*names[:-1]))  # a good file by itself
        time.sleep(3 * SETTLE_S)
        stage.file.write_text(text(*names, f"last-{attempt}"))
        pause = time.monotonic() - begun
        stage.loads(f"last-{attempt}")
    assert pause < REMOVAL_SETTLE_S
    assert stage.beat.count(r"Loaded .*\d remove") == before


def test_a_schedule_that_leaves_the_file_is_removed_when_the_file_stays_so(stage: Stage) -> None:
    stage.file.write_text(text("first", "second", "third"))
    stage.loads("third")
    stage.file.write_text(text("first", "second"))
    stage.beat.says("Loaded .*: 1 remove")
    assert sorted(stage.store.names()) == ["first", "second"]


def written_slowly(path: Path, body: str) -> float:
    """Write line by line; returns the seconds of the longest pause."""
    pauses = []
    with path.open("w") as file:
        for line in body.splitlines(keepends=True):
            begun = time.monotonic()
            file.write(line)
            file.flush()
            time.sleep(0.1)
            pauses.append(time.monotonic() - begun)
    return max(pauses)


def test_a_reload_by_signal_reads_the_file_again_and_ends_nothing(stage: Stage) -> None:
    before = stage.beat.count("Loaded ")
    stage.beat.popen.send_signal(signal.SIGHUP)
    stage.beat.says("Loaded .*: no changes", ABOUT_A_SECOND, before)
    assert stage.beat.popen.poll() is None


def test_a_reload_while_beat_starts_does_not_end_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        settings = Settings(redis_url=url, file=tmp_path / "schedules.yaml", state_dir=tmp_path / "state")
        with service(settings) as running:
            beat = running.start("beat")
            silent.settimeout(30)
            asked, _ = silent.accept()
            beat.popen.send_signal(signal.SIGHUP)
            asked.close()
            silent.close()
            beat.says("Waiting for Redis")


def test_a_bad_file_is_told_of_at_once_and_a_mended_one_governs(stage: Stage) -> None:
    stage.file.write_text("schedules:\n  first: {task: scheduler.tasks.fail, corn: 1}\n")
    stage.beat.says(r"Rejected .*schedules.yaml, the last good .* Errors: 2. The first: .*:2:3: ", ABOUT_A_SECOND)
    stage.beat.says(r"schedules.yaml:2:39: schedule 'first': unknown key 'corn'", ABOUT_A_SECOND)
    assert stage.store.names() == ["first"]
    stage.file.write_text(text("first", "second"))
    assert stage.loads("second") < ABOUT_A_SECOND
    until(lambda: stage.store.file_facts()["problems"] == "", 10, "the file has no problem any more")
