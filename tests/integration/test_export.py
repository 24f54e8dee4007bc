"""What the page changed, on its way back into the schedule file."""

from __future__ import annotations

import os
import stat
from dataclasses import replace

import pytest

from scheduler import changes
from scheduler.changes import export
from scheduler.errors import CannotWrite, Conflict, Exit, RefusedChange
from scheduler.storage.store import Store
from tests.support.shell import Shell

FILE = """\
# What runs when
timezone: Europe/Berlin
defaults: {expires: 1h}

schedules:
  job:
    task: scheduler.tasks.log_it   # adds
    every: 1h
    args: [1, 2]      # two numbers
"""
FIELDS = {"task": "scheduler.tasks.log_it", "every": "1h", "args": [1, 2], "timezone": "Europe/Berlin", "expires": "1h"}


@pytest.fixture
def desk(shell: Shell, store: Store) -> Shell:
    """A service whose file is loaded."""
    shell.settings.file.write_text(FILE)
    assert shell("apply").code == Exit.OK
    return shell


def edit(store: Store, **fields: object) -> None:
    wanted = {key: value for key, value in {**FIELDS, **fields}.items() if value is not None}
    changes.edit(store, "job", wanted, tasks=None, by="ann", why="for today")


def reload(desk: Shell, store: Store) -> str:
    said = desk("apply")
    assert said.code == Exit.OK, said.err
    return said.out


def test_export_prints_the_difference_and_writes_nothing(desk: Shell, store: Store) -> None:
    edit(store, args=[3, 4])
    said = desk("export")
    assert (said.code, said.err) == (Exit.OK, "")
    assert said.out.splitlines()[2:] == [
        "@@ -6,4 +6,4 @@",
        "   job:",
        "     task: scheduler.tasks.log_it   # adds",
        "     every: 1h",
        "-    args: [1, 2]      # two numbers",
        "+    args: [3, 4]      # two numbers",
    ]
    assert desk.settings.file.read_text() == FILE


def test_what_was_written_is_the_files_again(desk: Shell, store: Store) -> None:
    edit(store, args=[3, 4], every=None, cron="0 5 * * *")
    due = store.get("job").due
    said = desk("export", "job", "--write")
    assert said.code == Exit.OK, said.err
    written = FILE.replace("[1, 2]", "[3, 4]").replace("every: 1h", 'cron: "0 5 * * *"')
    assert desk.settings.file.read_text() == written
    assert reload(desk, store) == "update job (the file now has the page's value: args, cron, every)\n1 update\n"
    entry = store.get("job")
    assert (entry.overlay, entry.base, entry.due) == ({}, entry.fields, due)
    loaded, exported = store.audit.lines(2)
    assert (exported["change"], exported["before"]["args"], exported["after"]["args"]) == (
        "write to file",
        [1, 2],
        [3, 4],
    )
    assert loaded["why"] == "the file now has the page's value: args, cron, every"
    assert desk("export").err == "nothing to export\n"


def test_one_field_can_be_written_alone(desk: Shell, store: Store) -> None:
    edit(store, args=[3, 4], queue="reports")
    assert desk("export", "job", "--field", "queue", "--write").code == Exit.OK
    assert desk.settings.file.read_text() == FILE + "    queue: reports\n"
    reload(desk, store)
    assert set(store.get("job").overlay) == {"args"}


def test_a_field_that_the_page_took_away_does_not_come_back_from_the_defaults(desk: Shell, store: Store) -> None:
    edit(store, expires=None, timezone=None)
    assert desk("export", "--write").code == Exit.OK
    assert desk.settings.file.read_text() == FILE + "    expires: none\n    timezone: UTC\n"
    reload(desk, store)
    entry = store.get("job")
    assert (entry.overlay, "expires" in entry.fields, "timezone" in entry.fields) == ({}, False, False)


def test_a_schedule_of_the_page_becomes_the_files_with_its_pause_and_its_due_instant(desk: Shell, store: Store) -> None:
    changes.create(store, "made", {"task": "scheduler.tasks.fail", "every": "7h"}, tasks=None, by="ann")
    changes.pause(store, "made", by="ann", note="not yet")
    before = store.get("made")
    assert desk("export", "made", "--write").code == Exit.OK
    assert desk.settings.file.read_text() == FILE + (
        "\n  made:\n    task: scheduler.tasks.fail\n    every: 7h\n    timezone: UTC\n    expires: none\n"
    )
    assert reload(desk, store).startswith(
        "update made (the file now declares this schedule, which was created on the page)"
    )
    entry = store.get("made")
    assert (entry.origin, entry.fields, entry.base) == ("file", before.fields, before.fields)
    assert (entry.pause, entry.due) == (before.pause, before.due)


def test_a_schedule_goes_into_the_file_that_declares_it(shell: Shell, store: Store) -> None:
    part = shell.settings.file.parent / "parts" / "one.yaml"
    part.parent.mkdir()
    part.write_text("schedules:\n  job: {task: scheduler.tasks.log_it, every: 1h, args: [1, 2]}  # ours\n")
    shell.settings.file.write_text("include: parts/*.yaml\n")
    shell("apply")
    edit(store, args=[3, 4], timezone=None, expires=None)
    changes.create(store, "made", {"task": "scheduler.tasks.fail", "every": "7h"}, tasks=None, by="ann")
    assert shell("export", "--write").code == Exit.OK
    assert part.read_text() == "schedules:\n  job: {task: scheduler.tasks.log_it, every: 1h, args: [3, 4]}  # ours\n"
    assert shell.settings.file.read_text().endswith("made:\n    task: scheduler.tasks.fail\n    every: 7h\n")
    assert shell("plan").out.splitlines()[-1] == "2 update"


def test_mode_and_symlink_stay(desk: Shell, store: Store) -> None:
    file = desk.settings.file
    real = file.with_name("real.yaml")
    file.rename(real)
    file.symlink_to("real.yaml")
    real.chmod(0o640)
    edit(store, args=[3, 4])
    assert desk("export", "--write").code == Exit.OK
    assert file.is_symlink()
    assert (stat.S_IMODE(real.stat().st_mode), "[3, 4]" in real.read_text()) == (0o640, True)
    assert sorted(path.name for path in file.parent.iterdir() if path.is_file()) == ["real.yaml", "schedules.yaml"]


@pytest.mark.parametrize("closed", ["file", "directory"])
def test_a_file_that_cannot_be_written_is_shown_as_a_patch(
    desk: Shell, store: Store, closed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(store, args=[3, 4])
    place = desk.settings.file if closed == "file" else desk.settings.file.parent
    mode = place.stat().st_mode
    place.chmod(0o500 if closed == "directory" else 0o400)
    if os.geteuid() == 0:  # who may write everywhere
        monkeypatch.setattr(os, "access", lambda path, how: path.stat().st_mode & 0o200 or how != os.W_OK)
    try:
        said = desk("export", "--write")
    finally:
        place.chmod(mode)
    assert said.code == Exit.CANT_CREATE
    assert "+    args: [3, 4]" in said.out
    assert f"{place} is not writable for this process" in said.err
    assert desk.settings.file.read_text() == FILE


def test_a_block_with_anchors_is_shown_as_a_patch(shell: Shell, store: Store) -> None:
    text = "schedules:\n  job: {task: scheduler.tasks.log_it, every: 1h, args: [1, 2], kwargs: &none {}}\n"
    shell.settings.file.write_text(text)
    shell("apply")
    edit(store, args=[3, 4], timezone=None, expires=None)
    said = shell("export", "--write")
    assert (said.code, "anchors" in said.err, "args: [3, 4]" in said.out) == (Exit.CANT_CREATE, True, True)
    assert shell.settings.file.read_text() == text


def test_a_schedule_that_cannot_be_changed_alone_does_not_hinder_the_others(shell: Shell, store: Store) -> None:
    lines = ["job: {task: scheduler.tasks.log_it, every: 1h, args: &n [1, 2]}"]
    lines += ["twin: {task: scheduler.tasks.log_it, every: 1h, args: *n}"]
    lines += [f"more{number}: {{task: scheduler.tasks.log_it, every: 1h, args: [1, 2]}}" for number in range(3)]
    text = "schedules:\n" + "".join(f"  {line}\n" for line in lines)
    shell.settings.file.write_text(text)
    shell("apply")
    for name in ("job", "more0", "more2"):
        changes.edit(store, name, store.get(name).fields | {"args": [3, 4]}, tasks=None, by="ann")
    said = shell("export", "--write")
    assert said.code == Exit.PROBLEMS
    assert f"scheduler: edit {shell.settings.file} by hand for 'job': " in said.err
    after = text.replace("[1, 2]}\n  more1", "[3, 4]}\n  more1").removesuffix("[1, 2]}\n") + "[3, 4]}\n"
    assert shell.settings.file.read_text() == after


def test_what_has_no_name_in_the_file_is_left_to_the_person_and_the_schedule_before_it_is_written(
    shell: Shell, store: Store
) -> None:
    shell.settings.file.write_text(FILE + "    then: {task: scheduler.tasks.fail}\n")
    assert shell("apply").code == Exit.OK
    for name in ("job", "job.fail"):
        changes.edit(store, name, {**store.get(name).fields, "slow_after": "5m"}, tasks=None, by="ann")
    said = shell("export", "--write")
    assert "'job.fail' is written in the `then` of another schedule: edit it there" in said.err
    assert said.code != Exit.OK
    assert "slow_after: 5m" in shell.settings.file.read_text()


def test_a_file_that_changed_since_it_was_read_is_not_overwritten(desk: Shell, store: Store) -> None:
    edit(store, args=[3, 4])
    [made] = export.propose(desk.settings.file, None, export.candidates(store))
    desk.settings.file.write_text(FILE + "# mine\n")
    with pytest.raises(Conflict, match="has changed and was not written"):
        export.write(store, made, by="ann")
    assert desk.settings.file.read_text() == FILE + "# mine\n"
    assert [path.name for path in desk.settings.file.parent.iterdir() if ".new" in path.name] == []


def test_a_file_that_says_something_else_by_now_is_left_to_the_person(desk: Shell, store: Store) -> None:
    edit(store, args=[3, 4])
    desk.settings.file.write_text(FILE.replace("[1, 2]", "[5, 6]"))
    said = desk("export", "--write")
    assert (said.code, said.err) == (
        Exit.TEMPORARY,
        "scheduler: the schedule file has changed args of 'job' meanwhile: look at it again\n",
    )


def test_a_broken_file_is_not_touched(desk: Shell, store: Store) -> None:
    edit(store, args=[3, 4])
    desk.settings.file.write_text(FILE + "  oops\n")
    said = desk("export", "--write")
    assert said.code == Exit.PROBLEMS
    assert desk.settings.file.read_text() == FILE + "  oops\n"


def test_a_schedule_of_another_program_is_not_the_files(desk: Shell, store: Store) -> None:
    made = store.get("job")
    with pytest.raises(RefusedChange, match="was created by another program"):
        export.of_overlay(replace(made, origin="redbeat"), None, ())


def test_a_proposal_with_doubts_is_never_written(desk: Shell, store: Store) -> None:
    edit(store, args=[3, 4])
    [made] = export.propose(desk.settings.file, None, export.candidates(store))
    doubtful = export.Proposal(made.path, made.before, made.after, made.changed, ("look first",))
    with pytest.raises(CannotWrite, match="look first"):
        export.write(store, doubtful, by="ann")
    assert desk.settings.file.read_text() == FILE
