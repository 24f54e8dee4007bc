"""The jobs of a crontab as the text of a schedule file."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from scheduler.cli.crontab.jobs import Job, names
from scheduler.cli.crontab.reader import EVERY
from scheduler.command_name import schema_comment
from scheduler.model.accounts import enabling
from scheduler.printable import printable
from scheduler.schedule_file.write_back.yaml_text import escaped

MAX_DESCRIPTION = 1000
MAX_NAME = 90  #: of a sink
DEFAULTS = """\
# As cron does it: runs may overlap, and missed runs are not caught up.
defaults: {overlap: allow, catch_up: none}"""
MAILED = "[failing, lost, recovered]"  #: what a MAILTO hears of
ADDRESS = re.compile(r"[^\s,]{1,254}")


def file_lines(jobs: Sequence[Job], timezone: str, owner: str) -> Iterator[str]:
    """The schedule file; ``timezone`` is that of the crontab's machine, ``owner`` whose crontab it is, if anyone's."""
    zone = most_common([job.timezone or timezone for job in jobs if not job.when.startswith(EVERY)]) or timezone
    yield schema_comment()
    if owner:
        yield f"# cron ran these jobs as {printable(owner)}: here they run as the worker's user (you, under `up`)."
        yield f"# For an installed service, import them with --user {printable(owner)}, which writes user: in each."
    yield from enabling_lines(jobs)
    if zone != "UTC":
        yield f"timezone: {zone}"
    yield DEFAULTS
    mail = Mail(jobs)
    yield from mail.lines()
    yield ""
    yield "schedules:" + ("" if jobs else " {}")
    for job, name in zip(jobs, names(jobs), strict=True):
        yield from schedule_lines(job, name, job.timezone or timezone, zone, mail.of(job))


def enabling_lines(jobs: Sequence[Job]) -> Iterator[str]:
    """Comments with the command that starts the worker of each account; nothing without accounts."""
    users = sorted({job.user for job in jobs} - {""})
    if users:
        yield "# Each account has a worker of its own. To start them, as root:"
    for user in users:
        yield f"#   {enabling(user)}"
    if "root" in users:
        yield "# A job as root makes everyone who can write to this Redis root, see docs/security.md."


def schedule_lines(job: Job, name: str, zone: str, top: str, sinks: str = "") -> Iterator[str]:
    """One schedule; ``top`` is the zone of the file, empty for an included one, and ``sinks`` who hears of failures."""
    every = job.when.removeprefix(EVERY)
    yield ""
    yield from (f"  # {printable(note)}" for note in job.notes)
    yield f"  {name}:"
    if job.description:
        yield f"    description: {quoted(job.description[:MAX_DESCRIPTION])}"
    yield f"    shell: {quoted(job.command)}"
    yield f"    cron: {quoted(job.when)}" if every == job.when else f"    every: {every}"
    if zone != top and every == job.when:
        yield f"    timezone: {zone}"
    if not top:
        yield f"    overlap: allow\n    catch_up: {job.catch_up}"
    if job.user:
        yield f"    user: {literal(job.user)}"
    values = ", ".join(f"{name}: {literal(value)}" for name, value in job.environment.items())
    yield f"    environment: {{{values}}}"
    if job.directory:
        yield f"    directory: {literal(job.directory)}"
    if job.stdin:
        yield f"    stdin: {literal(job.stdin)}"
    if job.success_codes != (0,):
        yield f"    success_codes: {json.dumps(job.success_codes)}"
    if sinks:
        yield f"    alerts: {{to: {sinks}}}"


class Mail:
    """MAILTO of the jobs as sinks: one that all jobs have is the file's, others are named by each job."""

    def __init__(self, jobs: Sequence[Job], owner: str = "") -> None:
        self.prefix = f"mail-{owner}" if owner else "mail"  # the files of several owners must not share a name
        told = dict.fromkeys(job.mail for job in jobs if addresses(job.mail))
        self.sinks: Mapping[str | None, str] = {value: self.name(value, index) for index, value in enumerate(told)}
        self.senders = {job.mail: job.environment.get("MAILFROM") or "root" for job in jobs}
        self.is_shared = len(told) == 1 and all(job.mail in self.sinks for job in jobs)

    def name(self, value: str | None, index: int) -> str:
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", str(value)).strip("-._")
        return (f"{self.prefix}-{index + 1}-{plain}" if index else f"{self.prefix}-{plain}")[:MAX_NAME]

    def lines(self) -> Iterator[str]:
        """``alerts:`` at the top of the file; nothing if no job has a MAILTO."""
        if not self.sinks:
            return
        yield ""
        yield "# MAILTO: cron mailed all output, and this mails what failed or was lost."
        yield "alerts:"
        yield f"  events: {MAILED}"
        if not self.is_shared:
            yield "  to: []"
        yield "  sinks:"
        yield from (f"    {line}" for line in self.sink_lines())

    def sink_lines(self) -> Iterator[str]:
        """Each sink with its addresses."""
        for value, name in self.sinks.items():
            to = ", ".join(quoted(address) for address in addresses(value))
            yield f"{name}: {{email: {{to: [{to}], from: {quoted(self.senders[value])}}}}}"

    def of(self, job: Job) -> str:
        """The sinks of one job; empty if those of the file are right."""
        return "" if self.is_shared else self.named(job)

    def named(self, job: Job) -> str:
        """The sinks of one job as a list; empty without a MAILTO."""
        return f"[{self.sinks[job.mail]}]" if job.mail in self.sinks else ""


def addresses(value: str | None) -> list[str]:
    """The addresses in a MAILTO; none if it is empty, or if it refers to something."""
    return [] if not value or "${" in value else ADDRESS.findall(value)[:100]


def most_common(zones: Sequence[str]) -> str:
    return Counter(zones).most_common(1)[0][0] if zones else ""


@lru_cache(maxsize=256)
def literal(value: str) -> str:
    """A value in which a ``${`` is no reference."""
    return quoted(value.replace("${", "$${"))


def quoted(value: str) -> str:
    """A text in double quotes, which YAML reads back as it is."""
    return json.dumps(value, ensure_ascii=False) if value.isprintable() else f'"{"".join(map(escaped, value))}"'
