"""What beat reads of a schedule file without parsing all of it: its digest, and the modules that it imports."""

from __future__ import annotations

from pathlib import Path

import pytest

from scheduler import schedule_file

SCHEDULES = "schedules:\n  a: {task: x, description: imports are late}\n"
FILES = {
    "no imports": SCHEDULES,
    "in one line": f"imports: [a.b, c]\n{SCHEDULES}",
    "a list": f"timezone: UTC\nimports:\n  - a.b\n\n  # why\n  - c # too\n{SCHEDULES}",
    "a list without indentation": f"imports:\n- a.b\n- c\n{SCHEDULES}",
    "over several lines": f"imports: [a.b,\n  c]\n{SCHEDULES}",
    "at the end": f"{SCHEDULES}imports: [a.b]",
    "with the line ends of Windows": f"imports: [a.b]\n{SCHEDULES}".replace("\n", "\r\n"),
    "in braces": "{imports: [a.b], schedules: {}}",
    "a key in quotes": f'"imports": [a.b]\n{SCHEDULES}',
    "an anchor elsewhere": f"timezone: &zone UTC\nimports: [*zone]\n{SCHEDULES}",
    "twice": f"imports: [a]\nimports: [b]\n{SCHEDULES}",
    "a document in front": f"---\nimports: [a.b]\n{SCHEDULES}",
    "no text": f"imports: [\n{SCHEDULES}",
    "behind a mark": f"\ufeffimports: [a.b]\n{SCHEDULES}",
    "one module, which must be a list": f"imports: a.b\n{SCHEDULES}",
}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_the_imports_are_those_of_the_parsed_file(text: str, tmp_path: Path) -> None:
    file = tmp_path / "schedules.yaml"
    file.write_text(text, newline="")
    assert schedule_file.imports_of(file) == schedule_file.read_alone(file).imports


def test_a_file_that_cannot_be_read_imports_nothing(tmp_path: Path) -> None:
    assert schedule_file.imports_of(tmp_path) == schedule_file.imports_of(tmp_path / "none") == ()


@pytest.mark.parametrize("include", ["", "include: more.yaml\n", "include: [m*.yaml, none*.yaml, more.yaml]\n"])
def test_the_digest_is_that_of_the_parsed_file(include: str, tmp_path: Path) -> None:
    file = tmp_path / "schedules.yaml"
    file.write_text(f"{include}{SCHEDULES}")
    (tmp_path / "more.yaml").write_text("schedules: {b: {task: x, every: 1h}}\n")
    document = schedule_file.read(file)
    assert schedule_file.digest(file, document.patterns) == document.digest


def test_there_is_no_digest_of_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "schedules.yaml"
    assert schedule_file.digest(file, ()) is None
    file.write_text(SCHEDULES)
    assert schedule_file.digest(file, ("missing.yaml",)) is None
