"""Modules that hold tasks: what cannot be imported is tried again, for as long as it is wanted."""

from __future__ import annotations

from pathlib import Path

import pytest

from scheduler.process import modules
from scheduler.process.modules import TaskModules
from scheduler.registry import CannotImport
from scheduler.settings import Settings

BROKEN = "import nothing_of_this_name\n"
NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(modules, "RETRY_S", 0.0)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    return tmp_path


def of_file(directory: Path, text: str, **settings: tuple[str, ...]) -> TaskModules:
    file = directory / "schedules.yaml"
    file.write_text(text)
    return TaskModules(Settings(redis_url=NOWHERE, file=file, state_dir=directory, **settings))  # type: ignore[arg-type]


def test_a_file_that_names_a_broken_module_keeps_nothing_from_starting(directory: Path) -> None:
    (directory / "broken_at_start.py").write_text(BROKEN)
    of = of_file(directory, "imports: [broken_at_start]")
    of.start()
    assert "cannot import 'broken_at_start'" in of.failed["broken_at_start"]
    (directory / "broken_at_start.py").write_text("")
    assert of.follow()
    assert not of.failed
    assert not of.follow()


def test_a_command_is_told_which_module_is_broken(directory: Path) -> None:
    of = of_file(directory, "imports: [no_such_module_here]")
    of.is_strict = True
    with pytest.raises(CannotImport, match="no_such_module_here"):
        of.start()


def test_a_broken_module_of_the_settings_ends_every_start(directory: Path) -> None:
    of = of_file(directory, "schedules: {}", imports=("no_such_module_here",))
    with pytest.raises(CannotImport, match="SCHEDULER_IMPORTS: cannot import 'no_such_module_here'"):
        of.start()


def test_a_module_that_is_wanted_no_longer_is_forgotten(directory: Path) -> None:
    (directory / "wanted_since.py").write_text("")
    of = of_file(directory, "imports: [no_such_module_here]")
    of.start()
    of.want(("wanted_since",))
    assert of.follow()
    assert not of.failed
