"""What a leader stores of the queues and tasks that schedules use is bounded."""

from __future__ import annotations

from scheduler.storage.uses import MAX_NAMES_OF_TASK, MAX_TASKS, Users, from_json, tasks_as_json


def test_so_many_tasks_are_stored_and_the_first_names_of_each_with_the_number_of_all() -> None:
    used = [(f"s{number}-{task}", "celery", f"t{task}") for task in range(MAX_TASKS + 1) for number in range(5)]
    stored = from_json(tasks_as_json(used))
    assert len(stored) == MAX_TASKS
    names = tuple(f"s{number}-0" for number in range(MAX_NAMES_OF_TASK))
    assert stored["celery\nt0"] == Users(5, names)
