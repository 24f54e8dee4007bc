"""Undoing what stands in the audit log."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from scheduler import changes
from scheduler.changes.common import line_of
from scheduler.errors import Exit
from scheduler.model import Entry, Run, run_id
from scheduler.storage.audit import MANY_CHANGES
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.storage.store import Store, Write
from tests.support.schedules import NOON, declared, entry_of
from tests.support.shell import JOB, Shell

FIELDS: dict[str, Any] = {"task": "scheduler.tasks.log_it", "every": "1h", "args": [1, 2]}
OTHER = JOB.replace("job", "other")


@pytest.fixture
def desk(shell: Shell) -> Shell:
    """A service whose file, with two schedules, is loaded."""
    shell.file(JOB, OTHER)
    shell("apply")
    return shell


def edit(store: Store, name: str = "job", **fields: Any) -> None:
    wanted = {key: value for key, value in {**FIELDS, **fields}.items() if value is not None}
    changes.edit(store, name, wanted, tasks=None, by="ann", why="for today")


def newest(store: Store, nth: int = 0) -> str:
    return str(store.audit.lines()[nth]["id"])


def refusal(desk: Shell, identity: str) -> str:
    said = desk("undo", identity)
    assert said.code == Exit.PROBLEMS
    return said.err


def test_audit_shows_who_changed_what_when_and_why_with_an_id(desk: Shell, store: Store) -> None:
    edit(store, args=[3, 4])
    until = changes.clock() + timedelta(hours=1)
    changes.pause(store, "job", by="ann", note="new disk", until=until)
    paused, edited = desk("audit", "job").out.splitlines()[:2]
    assert paused.startswith(newest(store))
    assert f"ann: pause job (until {until:%Y-%m-%d %H:%M:%S} UTC — new disk)" in paused
    assert edited.endswith("ann: edit job (args: [1, 2] → [3, 4] — for today)")
    assert desk("audit", "-n", "1").out.splitlines() == [paused]
    [line] = desk("audit", "-n", "1", "--json").json["changes"]
    assert (line["id"], line["change"], line["pause"][1]["note"]) == (newest(store), "pause", "new disk")


def test_audit_says_which_file_was_loaded(desk: Shell, store: Store) -> None:
    digest = changes.check(desk.settings.file, None).digest
    assert all(digest in line for line in desk("audit").out.splitlines())


def test_an_edit_is_undone_and_the_undo_too(desk: Shell, store: Store) -> None:
    edit(store, args=[3, 4])
    said = desk("undo", newest(store))
    assert (said.code, said.out) == (Exit.OK, "job has its earlier values again\n")
    assert (store.get("job").fields["args"], store.get("job").overlay) == ([1, 2], {})
    assert store.audit.lines()[0]["why"].startswith("undo of edit by ann, ")
    desk("undo", newest(store))
    assert store.get("job").fields["args"] == [3, 4]


def test_another_field_that_changed_since_does_not_hinder(desk: Shell, store: Store) -> None:
    edit(store, every=None, cron="0 5 * * *")
    first = newest(store)
    edit(store, every=None, cron="0 5 * * *", queue="reports")
    assert desk("undo", first).code == Exit.OK
    assert store.get("job").fields == FIELDS | {"queue": "reports"}


def test_a_field_that_was_changed_since_is_left_alone(desk: Shell, store: Store) -> None:
    edit(store, args=[3, 4])
    first = newest(store)
    edit(store, args=[5, 6])
    assert refusal(desk, first) == "scheduler: 'job' has changed since in args: undo the later change first\n"
    assert store.get("job").fields["args"] == [5, 6]


def test_what_the_file_changed_comes_back_as_an_overlay(desk: Shell, store: Store) -> None:
    desk.file(JOB.replace("[1, 2]", "[7, 8]"), OTHER)
    desk("apply")
    assert desk("undo", newest(store)).code == Exit.OK
    entry = store.get("job")
    assert (entry.fields["args"], entry.base["args"], set(entry.overlay)) == ([1, 2], [7, 8], {"args"})


def test_a_schedule_that_left_the_file_comes_back_as_the_pages_with_pause_and_count(desk: Shell, store: Store) -> None:
    changes.pause(store, "job", by="ann", note="new disk")
    desk.file(OTHER)
    desk("apply")
    said = desk("undo", newest(store))
    assert (said.code, said.out) == (Exit.OK, "job is restored\n")
    entry = store.get("job")
    assert (entry.origin, entry.fields, entry.pause and entry.pause.note) == ("admin", FIELDS, "new disk")
    assert store.audit.lines()[0]["change"] == "restore"


def test_a_schedule_that_exists_again_is_not_restored(desk: Shell, store: Store) -> None:
    desk.file(OTHER)
    desk("apply")
    removal = newest(store)
    desk.file(JOB, OTHER)
    desk("apply")
    assert "'job' exists: there is nothing to restore" in refusal(desk, removal)


@pytest.fixture
def removal(desk: Shell, store: Store, client: Client, ledger: Ledger) -> str:
    """The line of the removal of a schedule with runs, a change and a pause, which went with another file."""
    edit(store, args=[3, 4])
    changes.pause(store, "job", by="ann", note="new disk")
    with_runs = replace(store.get("job"), total_run_count=7, last_run_at=NOON)
    store.write([Write("job", store.get("job"), with_runs)])
    run = Run(run_id("job", NOON), "job", NOON.timestamp(), "queued", task="t", task_id="id")
    ledger.claim(run, "host:1", "token")
    ledger.close(run.id, "succeeded", token="token")
    client.pexpire(ledger.keys.ledger("job"), 60_000)
    desk.file(OTHER)
    assert desk("apply").code == Exit.OK
    return newest(store)


def is_whole(entry: Entry, ledger: Ledger) -> bool:
    """Whether the removed schedule is as it was: the change with its author, the pause, the runs."""
    note = entry.overlay["args"]
    assert (note.value, note.by, note.why) == ([3, 4], "ann", "for today")
    assert (entry.fields["args"], entry.base["args"]) == ([3, 4], [1, 2])
    assert (entry.pause and entry.pause.note, entry.total_run_count) == ("new disk", 7)
    assert [run.outcome for run in ledger.runs("job", 5)] == ["succeeded"]
    return True


def test_what_a_removal_takes_away_is_kept_for_thirty_days(removal: str, client: Client, ledger: Ledger) -> None:
    assert client.ttl(ledger.keys.ledger("job")) > 29 * 86_400


def test_a_schedule_that_another_file_removed_is_whole_again_after_the_undo_and_the_right_file(
    removal: str, desk: Shell, store: Store, ledger: Ledger
) -> None:
    assert desk("undo", removal).out == "job is restored\n"
    assert is_whole(store.get("job"), ledger)
    desk.file(JOB, OTHER)
    assert "update job (the file declares it again)" in desk("apply").out
    assert store.get("job").origin == "file"
    assert is_whole(store.get("job"), ledger)
    assert desk("apply").out == "no changes\n"


def test_a_schedule_that_the_right_file_brought_back_is_whole_again_after_the_undo(
    removal: str, desk: Shell, store: Store, ledger: Ledger
) -> None:
    desk.file(JOB, OTHER)
    desk("apply")
    assert (store.get("job").overlay, store.get("job").pause) == ({}, None)
    assert "job has the changes, the pause and the number of runs again" in desk("undo", removal).out
    assert store.get("job").origin == "file"
    assert is_whole(store.get("job"), ledger)
    assert "there is nothing to restore" in refusal(desk, removal)


def test_of_several_schedules_that_another_file_removed_each_has_its_own_history_back(
    desk: Shell, store: Store, ledger: Ledger, client: Client
) -> None:
    for name in ("job", "other"):
        run = Run(run_id(name, NOON), name, NOON.timestamp(), "queued", task="t", task_id=f"id of {name}")
        ledger.claim(run, "host:1", "token")
        ledger.close(run.id, "succeeded", token="token")
    desk.file(JOB.replace("job", "demo"))
    assert desk("apply", "--allow-remove").code == Exit.OK
    for line in store.audit.lines():
        if line["change"] == "remove":
            assert desk("undo", str(line["id"])).code == Exit.OK
    for name in ("job", "other"):
        assert [run.id for run in ledger.runs(name, 5)] == [run_id(name, NOON)]
    assert not list(client.scan_iter("*:moved:*")), "nothing was renamed"


def test_what_the_file_and_the_page_changed_since_the_removal_stays(removal: str, desk: Shell, store: Store) -> None:
    desk.file(JOB.replace("[1, 2]", "[5, 6]"), OTHER)
    desk("apply")
    changes.pause(store, "job", by="bob", note="later")
    assert desk("undo", removal).code == Exit.OK
    entry = store.get("job")
    assert (entry.fields["args"], entry.overlay, entry.total_run_count) == ([5, 6], {}, 7)
    assert entry.pause is not None
    assert entry.pause.by == "bob"


def test_a_restored_schedule_that_was_edited_keeps_the_edit_when_the_file_declares_it_again(
    removal: str, desk: Shell, store: Store
) -> None:
    desk("undo", removal)
    edit(store, args=[8, 9])
    desk.file(JOB, OTHER)
    desk("apply")
    entry = store.get("job")
    assert (entry.origin, entry.fields["args"], entry.overlay["args"].value) == ("file", [8, 9], [8, 9])


def test_a_schedule_that_was_made_is_removed_unless_it_is_the_files_or_changed(desk: Shell, store: Store) -> None:
    assert "'job' is declared in the schedule file: remove it there" in refusal(desk, newest(store, 1))
    changes.create(store, "made", FIELDS, tasks=None, by="ann")
    made = newest(store)
    edit(store, "made", args=[3, 4])
    assert "changed since in args" in refusal(desk, made)
    assert (desk("undo", newest(store)).code, desk("undo", made).out) == (Exit.OK, "made is deleted\n")
    assert "made" not in store.names()
    assert desk("undo", newest(store)).out == "made is restored\n"


def test_a_pause_and_its_end_are_undone(desk: Shell, store: Store) -> None:
    changes.pause(store, "job", by="ann", note="new disk")
    paused = newest(store)
    assert desk("undo", paused).out == "job is resumed\n"
    ended = store.get("job").pause
    assert ended is not None
    assert ended.until is not None
    assert "paused or resumed since" in refusal(desk, paused)
    assert desk("undo", newest(store)).out == "job is paused again\n"
    again = store.get("job").pause
    assert again is not None
    assert (again.note, again.until) == ("new disk", None)


def test_a_run_and_a_rename_cannot_be_undone(desk: Shell, store: Store) -> None:
    desk.apart("run", "job")
    assert store.audit.lines()[0]["change"] == "run"
    assert "there is nothing to undo" in refusal(desk, newest(store))
    desk.file(OTHER, JOB.replace("job:", "work:").replace("{", "{renamed_from: job, "))
    desk("apply")
    assert "rename it back there" in refusal(desk, newest(store))


@pytest.mark.parametrize("identity", ["1-1", "nonsense", "-", "1-1-1", "+"])
def test_a_line_that_is_not_there_is_said_so(desk: Shell, identity: str) -> None:
    said = desk("undo", "--", identity)
    assert said.code == Exit.NO_INPUT
    assert "the audit log has no line" in said.err


def test_what_the_gate_refuses_by_now_is_not_undone(desk: Shell, store: Store) -> None:
    desk.file(JOB.replace("log_it", "gone").replace("scheduler.tasks.gone", "gone.task"), OTHER)
    changes.apply(store, changes.check(desk.settings.file, None), by="ann")
    edit(store, task="scheduler.tasks.log_it")
    assert "unknown task 'gone.task'" in refusal(desk, newest(store))


def test_a_line_of_the_file_deletes_nothing_that_a_person_made_under_its_name_since(desk: Shell, store: Store) -> None:
    [added] = [str(line["id"]) for line in store.audit.lines(9, "job") if line["change"] == "add"]
    desk.file(OTHER)
    assert desk("apply").code == Exit.OK
    changes.create(store, "job", FIELDS, tasks=None, by="ann")
    assert "'job' is no longer the file's: delete it on its page" in refusal(desk, added)
    assert "job" in store.names()


def test_a_large_load_is_one_line_and_pushes_nothing_out_that_undo_needs(
    store: Store, client: Client, keys: Keys, shell: Shell
) -> None:
    changes.create(store, "mine", FIELDS, tasks=None, by="ann")
    changes.edit(store, "mine", FIELDS | {"args": [5, 6]}, tasks=None, by="ann", why="for today")
    edited = store.audit.lines(1)[0]["id"]
    many = [declared(f"job-{number}", every="1h") for number in range(MANY_CHANGES + 1)]
    lines = {one.name: line_of(one.name, "file x", NOON, "add", None, entry_of(one)) for one in many}
    store.write([Write(one.name, None, entry_of(one), audit=lines[one.name]) for one in many])
    load, *before = store.audit.lines(10)
    assert (load["change"], load["why"], load["by"]) == ("load", f"{MANY_CHANGES + 1} add", "file x")
    assert [line["change"] for line in before] == ["edit", "create"]
    assert [line["change"] for line in store.audit.lines(10, "job-7")] == ["add"]
    client.xtrim(keys.audit, maxlen=0, approximate=False)
    assert [line["change"] for line in store.audit.lines(10, "mine")] == ["edit", "create"]
    assert shell("undo", edited).code == Exit.OK
    assert store.get("mine").fields["args"] == FIELDS["args"]
    changes.remove(store, "mine", by="ann")
    client.xtrim(keys.audit, maxlen=0, approximate=False)
    assert shell("undo", store.audit.lines(1, "mine")[0]["id"]).code == Exit.OK
    assert "mine" in store.names()
    assert 0 < client.ttl(keys.history("mine")) <= 366 * 86_400
