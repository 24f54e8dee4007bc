"""The first start in a directory without a schedule file writes one; no later start does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from scheduler import schedule_file
from scheduler.command_name import schema_path
from scheduler.settings import Settings
from scheduler.up.starter import write_first_file
from scheduler.up.state import StateDirectory
from scheduler.validate import validate

FRESH = Settings(redis_is_named=False)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StateDirectory:
    monkeypatch.chdir(tmp_path)
    state = StateDirectory(tmp_path / ".scheduler")
    state.prepare()
    return state


def test_the_first_file_is_right_and_names_a_schema_that_exists(state: StateDirectory) -> None:
    assert write_first_file(FRESH, state)
    text = Path("schedules.yaml").read_text(encoding="utf-8")
    assert not validate(schedule_file.parse(text, "schedules.yaml"), tasks=None).errors
    assert text.splitlines()[0] == f"# yaml-language-server: $schema={schema_path()}"
    assert "`python3 -m scheduler check`" in text
    assert not write_first_file(FRESH, state)


@pytest.mark.parametrize("why", ["a Redis is named", "a file is named", "there is data"])
def test_a_missing_file_is_reported_and_not_replaced(state: StateDirectory, why: str) -> None:
    file = Path("other.yaml" if why == "a file is named" else "schedules.yaml")
    settings = replace(FRESH, redis_is_named=why == "a Redis is named", file=file)
    if why == "there is data":
        (state.redis_data / "appendonlydir").mkdir()
    assert not write_first_file(settings, state)
    assert not list(Path().glob("*.yaml"))
