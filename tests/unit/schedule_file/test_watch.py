"""Whether the schedule file changed, told from its directory entry."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scheduler import schedule_file
from scheduler.schedule_file.watch import FileWatch


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "schedules.yaml"
    file.write_text("one")
    return file


@pytest.fixture
def watch(path: Path) -> FileWatch:
    """Has looked once."""
    made = FileWatch(path, settled=0.0)
    assert made.has_changed()
    assert not made.has_changed()
    return made


def test_a_rewrite_is_a_change_told_once(watch: FileWatch, path: Path) -> None:
    path.write_text("another")
    assert watch.has_changed()
    assert not watch.has_changed()


def test_a_rewrite_of_the_same_length_is_a_change(watch: FileWatch, path: Path) -> None:
    path.write_text("two")
    os.utime(path, ns=(0, 12345))
    assert watch.has_changed()


def test_another_mode_is_a_change_because_it_may_be_readable_now(watch: FileWatch, path: Path) -> None:
    path.chmod(0)
    assert watch.has_changed()
    path.chmod(0o600)
    assert watch.has_changed()


def test_a_rename_over_it_is_a_change_even_with_the_same_time_and_length(watch: FileWatch, path: Path) -> None:
    stat = path.stat()
    new = path.with_suffix(".new")
    new.write_text("two")
    os.utime(new, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    new.rename(path)
    assert watch.has_changed()


def test_a_link_that_points_elsewhere_is_a_change(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, ns=(1, 1))
    link = tmp_path / "link"
    link.symlink_to("one")
    watch = FileWatch(link, settled=0.0)
    watch.has_changed()
    (tmp_path / "new").symlink_to("two")
    (tmp_path / "new").rename(link)
    assert watch.has_changed()


def test_going_away_and_coming_back_are_changes(watch: FileWatch, path: Path) -> None:
    path.unlink()
    assert watch.has_changed()
    assert not watch.has_changed()
    path.write_text("one")
    assert watch.has_changed()


def test_a_peek_leaves_the_answer_for_the_next_look(watch: FileWatch, path: Path) -> None:
    path.write_text("another")
    assert watch.has_changed(peek=True)
    assert watch.has_changed(peek=True)
    assert watch.has_changed()
    assert not watch.has_changed(peek=True)


def test_a_file_that_is_forgotten_counts_as_changed_also_when_it_is_missing(watch: FileWatch, path: Path) -> None:
    watch.forget()
    assert watch.has_changed()
    path.unlink()
    watch.has_changed()
    watch.forget()
    assert watch.has_changed()


def test_an_included_file_that_is_changed_added_or_removed_is_a_change(watch: FileWatch, path: Path) -> None:
    directory = path.parent / "schedules.d"
    directory.mkdir()
    (directory / "a.yaml").write_text("one")
    watch.follow(("schedules.d/*.yaml",), certain=True)
    assert watch.has_changed()
    assert not watch.has_changed()
    (directory / "a.yaml").write_text("another")
    assert watch.has_changed()
    (directory / "b.yaml").write_text("one")
    assert watch.has_changed()
    (directory / "a.yaml").unlink()
    assert watch.has_changed()
    (directory / "b.txt").write_text("not included")
    assert not watch.has_changed()


def test_files_that_are_followed_once_they_were_read_are_a_change_only_where_they_differ_from_what_was_read(
    path: Path,
) -> None:
    path.write_text("include: schedules.d/*.yaml\n")
    more = path.parent / "schedules.d/more.yaml"
    more.parent.mkdir()
    more.write_text("schedules: {}\n")
    for is_rewritten in (False, True):
        watch = FileWatch(path, settled=0.0)
        assert watch.has_changed()
        text = schedule_file.read(path)
        if is_rewritten:
            more.write_text("calendars: {}\n")
        watch.follow(text.patterns, certain=True, read=text.digest)
        assert watch.has_changed() == is_rewritten
        (more.parent / "another.yaml").touch()
        assert watch.has_changed()
        (more.parent / "another.yaml").unlink()


def test_what_a_wrong_file_may_include_is_looked_at_as_before(watch: FileWatch) -> None:
    watch.follow(("schedules.d/*.yaml",), certain=True)
    watch.follow((), certain=False)
    assert watch.patterns
    watch.follow((), certain=True)
    assert not watch.patterns


class Clock:
    """Stands until the test moves it."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("scheduler.schedule_file.watch.time", made)
    return made


def test_a_file_that_is_still_being_written_is_no_change_yet(path: Path, clock: Clock) -> None:
    watch = FileWatch(path, settled=0.2)
    assert watch.has_changed(), "the first look never waits"
    for number in range(20):
        path.write_text("x" * number)
        changed = watch.has_changed()
        assert not changed
        clock.now += 0.1
    assert not watch.has_changed()
    clock.now += 0.11
    assert watch.has_changed()
    assert not watch.has_changed()


def test_a_change_that_is_taken_back_before_it_settled_is_none(path: Path, clock: Clock) -> None:
    watch = FileWatch(path, settled=0.05)
    watch.has_changed()
    stat = path.stat()
    path.write_text("two")
    assert not watch.has_changed()
    path.write_text("one")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    clock.now += 0.06
    assert not watch.has_changed()


def test_a_change_that_has_not_settled_for_long_enough_is_not_told_of_until_it_has(path: Path) -> None:
    watch = FileWatch(path, settled=0.0)
    assert watch.has_changed()
    assert watch.has_settled_for(60)  # the first look waits for nothing
    path.write_text("another: text\n")
    assert watch.has_changed()
    assert not watch.has_settled_for(60)
    assert not watch.has_changed()
    assert not watch.has_changed(peek=True)
    path.write_text("schedules: {}\n")
    assert watch.has_changed()
    assert watch.has_settled_for(0)
    watch.forget()  # a reload that a person asked for
    assert watch.has_changed()
    assert watch.has_settled_for(60)
