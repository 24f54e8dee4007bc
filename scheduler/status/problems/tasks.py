"""Tasks that schedules send and workers do not have: their runs wait, or are handed from worker to worker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from scheduler.status.lacking import Lacking
from scheduler.status.problems.facts import Facts
from scheduler.status.problems.problem import ServiceProblem
from scheduler.status.problems.users import used_by
from scheduler.storage.uses import Users
from scheduler.storage.workers import Worker

MAX_NAMED = 10  #: tasks that no worker has; workers that lack some that others have
MAX_LOOKED_AT = 20  #: tasks of each of the two whose schedules are read, to find those
IMPORT = "name its module under imports: in the schedule file or in SCHEDULER_IMPORTS, or restart the worker"
DEPLOY = "deploy the same tasks to every worker of a queue"


def look(facts: Facts) -> Iterator[ServiceProblem]:
    """Name the tasks that no worker of their queue has, then the workers that lack what others have.

    A schedule that is not of the file is named when the first run of its task waits, by the worker that took it.
    """
    nowhere = [it for it in facts.lacking_tasks if it.is_nowhere]
    named = list(islice(going_to_be_sent(facts, nowhere), MAX_NAMED))
    for it, who in named:
        sentence = f"No worker of queue '{it.queue}' has task '{it.task}', {who}"
        yield ServiceProblem(sentence, why(it.lack) or IMPORT, subject=it.task, part=it.queue)
    if len(named) == MAX_NAMED and (more := len(nowhere) - MAX_NAMED):
        tasks = "1 more task" if more == 1 else f"{more} more tasks"
        yield ServiceProblem(f"Schedules use {tasks} that no worker has", IMPORT, subject="workers", part="more")
    note = facts.notices.get("tasks", "")
    if note and not any(f" task '{it.task}', " in note for it, _ in named):
        yield ServiceProblem(note, "", subject="workers")
    some_have = [it for it in facts.lacking_tasks if not it.is_nowhere]
    yield from elsewhere(it for it, _ in going_to_be_sent(facts, some_have))


def going_to_be_sent(facts: Facts, tasks: list[Lacking]) -> Iterator[tuple[Lacking, str]]:
    """Those that schedules are going to send, each with the words that say which; unread ones count as such."""
    for number, it in enumerate(tasks):
        users = it.users if number < MAX_LOOKED_AT else Users(it.users.number, ())
        if who := used_by(facts, users, it.queue, it.task):
            yield it, who


def elsewhere(tasks: Iterable[Lacking]) -> Iterator[ServiceProblem]:
    by_worker: dict[str, list[tuple[Worker, str]]] = {}
    for it in tasks:
        for worker in it.lack:
            by_worker.setdefault(worker.name, []).append((worker, it.task))
    for name, lacks in islice(by_worker.items(), MAX_NAMED):
        worker, task = lacks[0]
        more = f" and {len(lacks) - 1} more" if len(lacks) > 1 else ""
        sentence = f"Worker {name} lacks task '{task}'{more}, which others of its queue have"
        yield ServiceProblem(sentence, why([worker]) or DEPLOY, subject=name)


def why(workers: Iterable[Worker]) -> str:
    """Which modules these workers could not import; empty if they say of none."""
    return "; ".join(sorted({reason for worker in workers for reason in worker.failed}))
