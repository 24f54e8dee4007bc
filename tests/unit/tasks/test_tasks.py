"""The built-in tasks, called as functions and through Celery."""

from __future__ import annotations

import ast
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from scheduler import tasks
from scheduler.tasks import TaskFailed

WEEK = 7 * 86_400


def age(path: Path, seconds: float) -> Path:
    then = time.time() - seconds
    os.utime(path, (then, then), follow_symlinks=False)
    return path


def old_file(path: Path, seconds: float = 2 * WEEK) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("old")
    return age(path, seconds)


@pytest.fixture
def app() -> Celery:
    app = Celery("tests", broker="memory://", backend="cache+memory://", set_as_current=False)
    app.conf.task_store_eager_result = True
    app.finalize()
    return app


def test_every_task_has_its_explicit_name_and_a_sentence(app: Celery) -> None:
    names = {name for name in app.tasks if name.startswith("scheduler.tasks.")}
    assert names == {f"scheduler.tasks.{name}" for name in tasks.__all__ if name != "TaskFailed"}
    assert all(app.tasks[name].__doc__ for name in names)


def test_they_import_nothing_of_this_service() -> None:
    for path in Path(tasks.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert all(not name.startswith("scheduler") or name.startswith("scheduler.tasks") for name in names)


def test_log_it_returns_the_sum() -> None:
    assert tasks.log_it(10, 20) == 30


def test_fail_fails_with_its_message(app: Celery) -> None:
    result = app.tasks["scheduler.tasks.fail"].apply(kwargs={"message": "as told"})
    assert result.status == "FAILURE"
    assert str(result.result) == "as told"


def test_disk_usage_reports_numbers_that_json_carries(tmp_path: Path) -> None:
    usage = json.loads(json.dumps(tasks.disk_usage(str(tmp_path), 100)))
    assert usage["total"] >= usage["used"] + usage["free"]
    assert 0 <= usage["used_percent"] <= 100


def test_disk_usage_fails_above_its_threshold_and_says_how_full() -> None:
    with pytest.raises(TaskFailed, match=r"^/ is [\d.]+ % full, above -1 %: free some space, [\d.]+ GiB are left$"):
        tasks.disk_usage("/", -1)


def test_disk_usage_of_a_path_that_is_not_there_says_so() -> None:
    with pytest.raises(TaskFailed, match="/not/there cannot be read: No such file"):
        tasks.disk_usage("/not/there")


def test_a_dry_run_lists_old_files_and_deletes_none(tmp_path: Path) -> None:
    old = old_file(tmp_path / "deep" / "er" / "old.txt")
    old_file(tmp_path / "new.txt", 60)
    report = tasks.clean_up(str(tmp_path), "7d")
    assert report == {
        "directory": str(tmp_path),
        "dry_run": True,
        "files": 1,
        "bytes": 3,
        "unreadable": 0,
        "examples": ["deep/er/old.txt"],
    }
    assert old.exists()


def test_a_clean_up_deletes_old_files_and_keeps_new_ones_and_directories(tmp_path: Path) -> None:
    old = old_file(tmp_path / "deep" / "old.txt")
    new = old_file(tmp_path / "new.txt", WEEK - 3600)
    assert tasks.clean_up(str(tmp_path), "1w", dry_run=False)["files"] == 1
    assert not old.exists()
    assert new.exists()
    assert old.parent.is_dir()


def test_a_clean_up_follows_no_symbolic_link(tmp_path: Path) -> None:
    outside = old_file(tmp_path / "outside" / "precious.txt")
    inside = tmp_path / "inside"
    inside.mkdir()
    age(inside, 2 * WEEK)
    (inside / "directory").symlink_to(outside.parent)
    (inside / "file").symlink_to(outside)
    age(inside / "file", 2 * WEEK)
    assert tasks.clean_up(str(inside), "1s", dry_run=False)["files"] == 0
    assert outside.exists()
    assert (inside / "file").is_symlink()


def test_a_clean_up_leaves_pipes_and_sockets_alone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    age(tmp_path / "pipe", 2 * WEEK)
    assert tasks.clean_up(str(tmp_path), "1s", dry_run=False)["files"] == 0
    assert (tmp_path / "pipe").exists()


def test_a_clean_up_reports_names_that_are_not_text(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xff.txt"
    Path(os.fsdecode(name)).write_text("old")
    os.utime(name, (0, 0))
    assert json.loads(json.dumps(tasks.clean_up(str(tmp_path), "1s")))["examples"] == ["\ufffd.txt"]


def test_a_clean_up_that_cannot_delete_one_deletes_the_rest_and_fails_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old_file(tmp_path / "free" / "old.txt")
    old_file(tmp_path / "locked" / "old.log")
    unlink = os.unlink

    def guarded(name: str, *, dir_fd: int) -> None:
        if name == "old.log":
            raise PermissionError(13, "Permission denied", name)
        unlink(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", guarded)
    with pytest.raises(
        TaskFailed, match=r"^1 files could not be deleted \(1 were\): locked/old.log: Permission denied$"
    ):
        tasks.clean_up(str(tmp_path), "1s", dry_run=False)
    assert not (tmp_path / "free" / "old.txt").exists()


@pytest.mark.parametrize(
    "directory",
    ["/", "//", "/usr/share", "/etc", "/var/lib", "/home", "/root", "/dev", "/tmp/..", str(Path.home())],
)
def test_a_clean_up_of_the_system_is_refused_even_as_a_dry_run(directory: str) -> None:
    with pytest.raises(TaskFailed, match=r"belongs to the system|a home directory|symbolic link"):
        tasks.clean_up(directory, "7d")


@pytest.mark.parametrize(
    ("directory", "older_than", "reason"),
    [
        ("relative", "7d", "'relative' is not an absolute path"),
        ("{}/missing", "7d", "is not a directory: create it"),
        ("{}/link", "7d", "is a symbolic link: use the directory itself"),
        ("{}/link/", "7d", "is a symbolic link: use the directory itself"),
        ("{}", "a week", "'a week' is not a duration: write it like"),
        ("{}", "", "'' is not a duration"),
        ("{}", "7", "'7' is not a duration"),
    ],
)
def test_a_clean_up_that_cannot_be_meant_is_refused(
    tmp_path: Path, directory: str, older_than: str, reason: str
) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(TaskFailed, match=reason):
        tasks.clean_up(directory.format(tmp_path), older_than, dry_run=False)


def test_count_to_reports_progress_after_each_step(app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, Any]] = []
    store = app.backend.store_result

    def keep(task_id: str, result: Any, state: str, *args: Any, **kwargs: Any) -> Any:
        seen.append((state, result))
        return store(task_id, result, state, *args, **kwargs)

    monkeypatch.setattr(app.backend, "store_result", keep)
    result = app.tasks["scheduler.tasks.count_to"].apply(kwargs={"total": 3, "seconds": 0})
    assert result.result == {"counted": 3}
    progress = [meta for state, meta in seen if state == "PROGRESS"]
    assert progress == [{"current": n, "total": 3, "message": f"Counted {n} of 3"} for n in (1, 2, 3)]


@pytest.mark.parametrize("arguments", [{"total": 0}, {"total": 10_001}, {"seconds": -1}, {"seconds": float("nan")}])
def test_count_to_has_bounds(app: Celery, arguments: dict[str, float]) -> None:
    assert "total must be 1 to 10000" in str(app.tasks["scheduler.tasks.count_to"].apply(kwargs=arguments).result)


def test_the_system_report_is_json_with_load_memory_and_uptime() -> None:
    report = json.loads(json.dumps(tasks.system_report()))
    assert len(report["load"]) == 3
    if sys.platform == "linux":
        assert 0 < report["memory_available"] <= report["memory_total"]
        assert report["uptime"] > 0
