"""The jobs of one account as a file for ``include:``, which may hold schedules, and sinks that they name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scheduler.cli.crontab.jobs import Job
from scheduler.cli.crontab.text import MAILED, Mail, enabling_lines, schedule_lines
from scheduler.command_name import schema_comment


def included_lines(owner: str, jobs: Sequence[Job], names: Sequence[str], timezone: str) -> Iterator[str]:
    """The file; each schedule has its own zone and policies, because those at the top are the main file's."""
    yield schema_comment()
    yield "# From cron. The main file reads it with include: schedules.d/*.yaml"
    yield from enabling_lines(jobs)
    mail = Mail(jobs, owner)
    if mail.sinks:
        yield "# MAILTO: cron mailed all output, and this mails what failed or was lost. Only these schedules use it."
        yield "alerts:\n  sinks:"
        yield from (f"    {line}" for line in mail.sink_lines())
    yield ""
    yield "schedules:"
    for job, name in zip(jobs, names, strict=True):
        yield from schedule_lines(job, name, job.timezone or timezone, "")
        if to := mail.named(job):
            yield f"    alerts: {{to: {to}, events: {MAILED}}}"
