"""What ``groups:`` and ``group:`` may say."""

from __future__ import annotations

import pytest

from scheduler.schedule_file import parse
from scheduler.validate import validate

GOOD = "groups: {warehouse: {max_running: 2}}\nschedules:\n  x: {task: a, every: 5m, "


def told(text: str) -> list[str]:
    return [str(problem) for problem in validate(parse(text, "s.yaml"), tasks=None).problems]


def test_a_schedule_may_be_in_a_group_that_the_file_declares() -> None:
    validated = validate(parse(f"{GOOD}group: warehouse}}\n", "s.yaml"), tasks=None)
    assert not validated.problems
    assert validated.groups == {"warehouse": 2}
    assert validated.declared["x"].schedule.group == "warehouse"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"{GOOD}group: warehose}}", "s.yaml:3:34: schedule 'x': unknown group 'warehose' — did you mean 'warehouse'?"),
        (
            "schedules:\n  x: {task: a, every: 5m, group: db}",
            "s.yaml:2:34: schedule 'x': unknown group 'db' — declare it under groups: at the top (declared: none)",
        ),
        (
            f"{GOOD}tags: [a]}}",
            "s.yaml:1:10: warning: no schedule is in group 'warehouse' — write `group: warehouse` in a",
        ),
        (
            "groups: {a: {max_running: 0}}\nschedules: {x: {task: a, every: 5m, group: a}}",
            "s.yaml:1:27: groups.a.max_running is 0, which is too small — write 1 or more",
        ),
        (
            "groups: {a: {max_runnin: 1}}\nschedules: {x: {task: a, every: 5m, group: a}}",
            "s.yaml:1:14: unknown key 'max_runnin' — did you mean 'max_running'?",
        ),
        (
            "groups: {a: 3}\nschedules: {x: {task: a, every: 5m, group: a}}",
            "s.yaml:1:13: groups.a must be a mapping",
        ),
        (f"{GOOD}group: [warehouse]}}", "s.yaml:3:34: schedule 'x': group must be text, not a list — quote it"),
        (f"{GOOD}group: {{a: 1}}}}", "s.yaml:3:34: schedule 'x': group must be text, not a mapping — quote it"),
        ("schedules: {x: {task: a, every: 5m, max_queued: 0}}", "s.yaml:1:49: schedule 'x': max_queued is 0"),
    ],
)
def test_a_wrong_group_is_an_error_with_its_place_and_a_remedy(text: str, problem: str) -> None:
    assert problem in "\n".join(told(text))
