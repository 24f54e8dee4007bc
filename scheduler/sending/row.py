"""A run's row in the ledger as its sending begins it."""

from __future__ import annotations

from scheduler.sending.message import ESCAPED, Message
from scheduler.storage.entries import Job


def opened(
    job: Job,
    sent: Message,
    due: float,
    now: float,
    by: str = "",
    expires: float = 0.0,
    arguments: str = "",
    parent: str = "",
) -> str:
    """A run's record as the ledger begins it, a JSON object of texts; ``by`` asked for a manual run."""
    manual = f',"manual":"1","by":{ESCAPED(by)}' if by else ""
    given = f',"arguments":{ESCAPED(arguments)}' if arguments else ""
    follows = f',"parent":{ESCAPED(parent)}' if parent else ""
    ends = f',"expires":"{expires!r}"' if expires else ""
    refers = f',"references":"{job.references}"' if job.references else ""
    slow_after = job.policies.slow_after
    pings = ',"ping":"1"' if job.pings else ""
    slow = f',"slow_after":"{slow_after.total_seconds()!r}"' if slow_after else ""
    return (
        f'{{"due":"{due!r}","outcome":"queued","task":{ESCAPED(job.task)},"task_id":"{sent.task_id}",'
        f'"queue":{ESCAPED(sent.queue)},"sent":"{now!r}"{manual}{given}{ends}{slow}{pings}{refers}{follows}{job.row}}}'
    )
