"""`user:` sends a schedule to the worker of that system account, and to no other queue."""

from __future__ import annotations

import pytest

from scheduler import schedule_file
from scheduler.storage import entries
from scheduler.validate import Reserved, Validated, validate, validate_fields
from tests.support.schedules import entry_of


def checked(line: str, top: str = "") -> Validated:
    text = f"{top}schedules:\n  x:\n    shell: id\n    every: 5m\n    {line}\n"
    return validate(schedule_file.parse(text, "s.yaml"), tasks=None)


@pytest.mark.parametrize("what", ["shell: id", "command: [id]", "task: reports.build", "http: {url: 'https://x.org'}"])
def test_each_kind_of_job_goes_to_the_queue_of_its_account(what: str) -> None:
    text = f"defaults: {{queue: reports}}\nschedules:\n  x:\n    {what}\n    every: 5m\n    user: backup\n"
    declared = validate(schedule_file.parse(text, "s.yaml"), tasks=None).declared["x"]
    assert entries.job(entry_of(declared)).options["queue"] == "as@backup"
    assert "queue" not in declared.fields(), "the page could not save it: it would have two"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (
            "user: backup\n    queue: reports",
            "s.yaml:6:5: schedule 'x': user and queue are both given, and user has a queue of its own — delete one",
        ),
        (
            "queue: as@root",
            "s.yaml:5:12: schedule 'x': queue 'as@root' is that of the account 'root' — write user:",
        ),
        ("user: a b", "s.yaml:5:11: schedule 'x': user: 'a b' cannot be the name of an account — write its name"),
        ("user: -x", "s.yaml:5:11: schedule 'x': user: '-x' cannot be the name of an account — write its name"),
        ("user: 33", "s.yaml:5:11: schedule 'x': user: this value cannot be the name of an account — write its name"),
        ("user:", "s.yaml:5:10: schedule 'x': user is empty — write a value, or delete the line"),
    ],
)
def test_what_cannot_be_an_account_is_refused_with_its_place(line: str, problem: str) -> None:
    (only,) = checked(line).problems
    assert str(only).startswith(problem)


def test_the_page_can_neither_choose_an_account_nor_change_what_runs_as_one() -> None:
    fields = {"task": "reports.build", "every": "5m", "user": "backup"}
    reserved = Reserved(tasks=())
    assert [it.key for it in validate_fields("x", fields, tasks=None, reserved=reserved)[1]] == ["task"]
    reserved = Reserved(tasks=(), kept=(fields,))
    assert validate_fields("x", fields | {"every": "9m"}, tasks=None, reserved=reserved)[1] == ()
    _, problems = validate_fields("x", fields | {"args": [1]}, tasks=None, reserved=reserved)
    assert [it.what for it in problems] == ["it runs as the account 'backup', which only the schedule file may set"]
