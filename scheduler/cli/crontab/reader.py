"""Reads a crontab as cron does, with what cron gives each job: environment, directory, standard input, mail."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from scheduler.cli.crontab.jobs import Job, Owner, Unsupported, owner_named
from scheduler.cli.crontab.kinds import INLINE_ZONE, as_cron_reads, foreign, is_system, other_prefix
from scheduler.cli.crontab.limits import limits
from scheduler.cli.crontab.shell_ends import is_cut, is_in_brackets, waiting
from scheduler.cli.crontab.shell_words import guard_codes, has_password, named
from scheduler.timing.builder import build
from scheduler.timing.errors import TimingError
from scheduler.timing.zones import get_zone

SETTING = re.compile(r"""\s*(["']?)(?P<name>[A-Za-z_][A-Za-z0-9_]*)\1\s*=\s*(?P<value>.*)""")
ENTRY = re.compile(r"\s*-?(?P<when>@every\s+\S+|@\w+|(?:\S+\s+){4}\S+)\s+(?P<rest>\S.*)")
#: The names of the columns, also as the sample above Debian's own jobs, and the sample in each new crontab of Debian.
TITLE = re.compile(
    r"#\s*m(in(ute)?|n)?\s+h|#[\s*]+(user-name|command)\s|# 0 5 \* \* 1 tar -zcf /var/backups/home\.tgz /home/$",
    re.IGNORECASE,
)
EVERY = "@every "
END_OF_COMMAND = re.compile(r"(?<!\\)%")
PATH = "/usr/bin:/bin"  #: what Debian's cron gives to jobs
GIVEN = ("SHELL", "HOME", "LOGNAME")  #: never empty in a job
MAX_LINE = 60_000  #: characters of a command
MAX_VALUES = 1000  #: settings above a job; cron has no limit, and no crontab so many
EXPOSED = (
    "it seems to hold a password, which everyone who can read this file sees: put it into a file, and write "
    'environment: {NAME: "${file:/path}"}'
)
CUT = "cron ends its command at a % inside a quote or bracket, so it fails there too: write \\% in the crontab"
BACKGROUND = "its & leaves a program in the background, which would end with its run: the run waits for it (trap)"
INSIDE = "its & inside ( ) leaves a program in the background, which ends with its run: take the brackets away"
#: settings that do nothing here
REPORTED = {
    "RANDOM_DELAY": "set `jitter` on its schedules instead",
    "START_HOURS_RANGE": "it belongs to anacron: write the hours into the expressions",
    "LOGNAME": "cron sets LOGNAME itself, to the owner's name",
}


def read_crontab(
    text: str, owner: Owner, *, system: bool = False, named: bool = False
) -> tuple[list[Job], list[Unsupported]]:
    """The jobs of a crontab and everything that is not carried over.

    A ``system`` one has a user in each line. ``named``: the schedules name the owner as their account.
    """
    reader = Reader(owner, system, not system and is_system(text), named).read_all(text)
    return reader.jobs, reader.unsupported


@dataclass
class Reader:
    """Goes through the lines with what is above: settings and the comment."""

    owner: Owner
    system: bool
    seems_system: bool
    named: bool = False
    jobs: list[Job] = field(default_factory=list)
    unsupported: list[Unsupported] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    comment: list[str] = field(default_factory=list)
    timezone: str | None = None
    lost_zone: str = ""  #: a CRON_TZ that does not exist: the lines below it would run at the wrong time
    owners: dict[str, Owner] = field(default_factory=dict)
    find: Callable[[str], Owner] = owner_named

    def read_all(self, text: str) -> Self:
        """Take in a whole crontab."""
        lines = text.removeprefix("\ufeff").split("\n")  # some editors begin a file with this mark
        for number, line in enumerate(lines, start=1):
            self.read(number, line.rstrip("\r"))
        return self

    def read(self, number: int, line: str) -> None:
        """Take in one line."""
        stripped = line.strip()
        if stripped.startswith("#"):
            self.read_comment(number, stripped)
            return
        if inline := INLINE_ZONE.fullmatch(line):
            self.read_zoned(number, stripped, inline["zone"], inline["entry"])
        elif stripped and (foreign_mark := other_prefix(stripped)):
            self.leave_out(number, stripped, foreign_mark)
        elif setting := SETTING.fullmatch(line):
            self.set(number, line, setting["name"], _unquoted(setting["value"].strip()))
        elif stripped:
            self.read_entry(number, stripped)
        self.comment = []

    def read_comment(self, number: int, line: str) -> None:
        """Keep it for the next job; a job that was commented out is listed."""
        words = line.lstrip("#").strip()
        entry = ENTRY.fullmatch(words)
        if TITLE.match(line):
            self.comment = []
        elif entry is not None and _is_cron(entry["when"]):
            self.leave_out(number, line, "it is commented out")
        elif words:
            self.comment.append(words)

    def set(self, number: int, line: str, name: str, value: str) -> None:
        """One ``NAME = value``, which the jobs below get as cron gives it: nothing in it is replaced."""
        if not value.isprintable() or "\t" in value:
            self.leave_out(number, line, f"its value {unprintable(value)}")
            return
        if len(self.settings) >= MAX_VALUES or len(value) > MAX_LINE:
            self.leave_out(number, line, "it is longer than a schedule file allows")
            return
        self.settings[name] = value
        if name == "CRON_TZ":
            self.set_zone(number, line, value)
        elif name in REPORTED and value:
            self.leave_out(number, line, REPORTED[name])
        elif name == "TZ":
            self.leave_out(number, line, "only the commands see it, as in cron: set `timezone` for when they run")
        elif name == "MAILTO" and "${" in value:
            self.leave_out(number, line, "cron mails to it as it is written, here nobody: write a sink of alerts:")
        elif name == "HOME" and not value.startswith("/"):
            self.leave_out(number, line, "it is no absolute path: write directory: on its schedules")
        if has_password(f"{name}={value}"):
            self.leave_out(number, f"{name}=…", EXPOSED)

    def set_zone(self, number: int, line: str, name: str) -> None:
        """CRON_TZ for the jobs below; those of an unknown zone are left out."""
        self.lost_zone, self.timezone = "", name or None
        try:
            get_zone(name or "UTC")
        except TimingError as error:
            self.lost_zone = name
            self.leave_out(number, line, str(error))

    def read_zoned(self, number: int, line: str, zone: str, entry: str) -> None:
        """A job with its own zone before it, as robfig/cron reads it."""
        before = self.timezone, self.lost_zone
        self.set_zone(number, line, zone)
        if not self.lost_zone:
            self.read_entry(number, entry)
        self.timezone, self.lost_zone = before

    def read_entry(self, number: int, line: str) -> None:
        """One job."""
        entry = ENTRY.fullmatch(line)
        user, rest = "", "" if entry is None else entry["rest"].strip()
        if self.system:
            user, rest = [*rest.split(None, 1), "", ""][:2]
        if entry is None or not rest:
            self.leave_out(number, line, "it is neither a setting nor a job")
            return
        when = " ".join(entry["when"].split())
        reason = foreign(when, user, rest, system=self.system, seems_system=self.seems_system)
        if reason:
            self.leave_out(number, line, reason)
        elif self.lost_zone:
            self.leave_out(number, line, f"its CRON_TZ {self.lost_zone[:40]!r} does not exist")
        elif not rest.replace("\t", " ").isprintable():
            self.leave_out(number, line, f"its command {unprintable(rest)}")
        elif len(rest) > MAX_LINE:
            self.leave_out(number, line, "it is longer than a schedule file allows")
        else:
            self.add(number, line, when, user, rest)

    def add(self, number: int, line: str, when: str, user: str, rest: str) -> None:
        """Add a job."""
        when, notes = as_cron_reads(when)
        try:
            build("cron", when, zone=self.timezone or "UTC")
        except TimingError as error:
            self.leave_out(number, line, str(error))
            return
        command, stdin = _command(rest)
        if not command:
            self.leave_out(number, line, "it has no command before its %")
            return
        if END_OF_COMMAND.search(rest) and is_cut(command):
            self.leave_out(number, line, CUT)
        codes = sorted(guard_codes(command))
        if codes:
            ends = " or ".join(map(str, codes))
            notes.append(f"its test ends with {ends} when there is nothing to do, which cron ignores: so it succeeds")
        if waits := waiting(command, self.settings.get("SHELL") or "/bin/sh"):
            notes.append(INSIDE if is_in_brackets(command) else BACKGROUND)
        owner = self.owner_of(user)
        account = owner.name if user or self.named else ""
        home = self.settings.get("HOME") or owner.home
        directory = "" if home == owner.home and not owner.has_home else home
        if not home:
            notes.append(f"cron ran it in the home of {owner.name}, whom this machine does not know: write directory:")
        elif not directory:
            notes.append(
                f"{home}, the home of {owner.name}, does not exist: it runs in /, and under cron in cron's own"
            )
        environment = {"SHELL": "/bin/sh", "PATH": PATH} | self.settings | {"HOME": home, "LOGNAME": owner.name}
        job = Job(
            number,
            when,
            self.timezone,
            " ".join(self.comment),
            waits or command,
            stdin,
            {name: value for name, value in environment.items() if value or name not in GIVEN},
            directory if directory.startswith("/") else "",
            self.settings.get("MAILTO"),
            owner,
            (*notes, *limits(account, command)) if account else tuple(notes),
            (0, *codes),
            account,
        )
        self.jobs.append(job)
        if has_password(rest):
            self.leave_out(number, f"schedule of {named(command)[0]}", EXPOSED)

    def owner_of(self, user: str) -> Owner:
        """As whom cron runs a job; the crontab's owner without a user in its line."""
        if not user:
            return self.owner
        if user not in self.owners:
            self.owners[user] = self.find(user)
        return self.owners[user]

    def leave_out(self, number: int, line: str, reason: str) -> None:
        """List a line that needs a person, with the reason."""
        self.unsupported.append(Unsupported(number, line.strip(), reason))


def _is_cron(when: str) -> bool:
    try:
        build("cron", when)
    except TimingError:
        return when == "@reboot"
    return True


def unprintable(text: str) -> str:
    """Why this cannot be in a schedule file."""
    is_text = not any("\udc80" <= letter <= "\udcff" for letter in text)
    return "holds control characters" if is_text else "is not UTF-8: write it as UTF-8, and import it again"


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def _command(text: str) -> tuple[str, str]:
    """The command and its standard input: a % that is not escaped ends the one and separates lines of the other."""
    command, *lines = END_OF_COMMAND.split(text)
    stdin = "\n".join(line.replace(r"\%", "%") for line in lines)
    return command.replace(r"\%", "%").strip(), stdin + "\n" if stdin and not stdin.endswith("\n") else stdin
