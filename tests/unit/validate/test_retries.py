"""`retries` and the keys beside it: what is checked at load, and the pauses that they mean."""

from __future__ import annotations

import pytest

from scheduler import schedule_file
from scheduler.model.retry import Retrying
from scheduler.tasks import TaskFailed
from scheduler.validate import validate


def told(*lines: str, top: str = "", runs: str = "task: a.b") -> list[str]:
    text = f"{top}schedules:\n  x:\n    every: 5m\n    {runs}\n" + "".join(f"    {line}\n" for line in lines)
    return [str(problem) for problem in validate(schedule_file.parse(text, "s.yaml"), tasks=None).problems]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (
            ["retry_delay: 5m"],
            "5:5: schedule 'x': retry_delay has no effect without retries — add retries: 3, or delete it",
        ),
        (["retries: 3", "retry_delay: 2d"], "6:18: schedule 'x': retry_delay: 2d is longer than 1d — write 1d or less"),
        (
            ["retries: 3", "retry_backoff: 2w"],
            "6:20: schedule 'x': retry_backoff: 14d is longer than 1d — write 1d or less",
        ),
        (
            ["retries: 3", "retry_backoff:"],
            "6:19: schedule 'x': retry_backoff is empty — write none for none, or delete the line",
        ),
        (
            ["retries: 3", "retry_for: [OSError, 75]"],
            "6:26: schedule 'x': retry_for: 75 is an exit code, which only command and shell have "
            "— write the name of an exception",
        ),
        (
            ["retries: 3", "retry_for: [no name]"],
            "6:17: schedule 'x': retry_for[0]: cannot be 'no name' — write the name of an exception such as "
            "ConnectionError, or an exit code",
        ),
    ],
)
def test_what_no_retry_can_follow_is_refused_with_a_remedy(lines: list[str], problem: str) -> None:
    assert told(*lines) == [f"s.yaml:{problem}"]


def test_good_ones_are_accepted_wherever_retries_is_set() -> None:
    assert told("retry_for: [75]", top="defaults: {retries: 2, retry_delay: 1m}\n", runs="shell: exit 75") == []
    assert told("retries: 0", "retry_delay: 5m", "retry_backoff: true", "retry_jitter: true") == []


def test_pauses_double_up_to_the_longest_and_are_equal_without_backoff() -> None:
    assert [Retrying().pause(retry) for retry in (1, 2, 3, 11, 100)] == [1, 2, 4, 600, 600]
    assert [Retrying(delay=5, backoff=None).pause(retry) for retry in (1, 2, 100)] == [5, 5, 5]
    assert [Retrying(delay=900).pause(retry) for retry in (1, 2)] == [900, 900], "never shorter than retry_delay"
    jittered = [Retrying(delay=8, jitter=True).pause(2) for _ in range(50)]
    assert all(0 <= pause <= 16 for pause in jittered)
    assert len({*jittered}) > 1


def test_a_failure_is_known_by_its_class_its_bases_and_its_exit_code() -> None:
    failed = TaskFailed("no").ended_with(75)
    assert TaskFailed("killed").ended_with(-9).exit_code == 137, "as a shell has it"
    known: tuple[str | int, ...] = (75, "TaskFailed", "scheduler.tasks.errors.TaskFailed", "Exception")
    for name in known:
        assert Retrying(only=(name,)).is_for(failed), name
    others: tuple[str | int, ...] = (74, "TimedOut", "tasks.errors.TaskFailed")
    for name in others:
        assert not Retrying(only=(name,)).is_for(failed), name
    assert Retrying().is_for(failed)
    assert Retrying(only=("OSError",)).is_for(ConnectionError())
