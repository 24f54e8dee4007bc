"""Reads a crontab as Debian's cron does, for moving its jobs here; what cannot move is listed with the reason."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field

from scheduler.timing.builder import build
from scheduler.timing.errors import TimingError
from scheduler.timing.zones import get_zone

SETTING = re.compile(r"""\s*(["']?)(?P<name>[A-Za-z_]\w*)\1\s*=\s*(?P<value>.*)""")
ENTRY = re.compile(r"\s*-?(?P<when>@every\s+\S+|@\w+|(?:\S+\s+){4}\S+)\s+(?P<rest>\S.*)")
FIELD = re.compile(r"[?*]|[\d*][\d*/,-]*")
TITLE = re.compile(r"#\s*m(in(ute)?)?\s+h", re.IGNORECASE)
#: characters that a shell acts on, anywhere in a command
SHELL_SIGNS = re.compile(r"[|&;<>()$`\\*?\[\]{}~#!]")
SHELL_WORDS = frozenset({
    ".", ":", "[", "alias", "cd", "eval", "exec", "exit", "export", "for", "if", "read", "set", "source", "test",
    "time", "trap", "ulimit", "umask", "unset", "until", "wait", "while",
})  # fmt: skip
WRAPPERS = frozenset({"sudo", "env", "nice", "ionice", "flock", "timeout", "setsid", "nohup", "sh", "bash", "chronic"})
#: settings of cron itself that mean nothing here
REPORTED = {
    "MAILTO": "no mail is sent: the output is kept with each run",
    "MAILFROM": "no mail is sent: the output is kept with each run",
    "RANDOM_DELAY": "set `jitter` on its schedules instead",
    "START_HOURS_RANGE": "it belongs to anacron: write the hours into the expressions",
    "LOGNAME": "the commands run as the worker's user",
    "USER": "the commands run as the worker's user",
}


@dataclass(frozen=True, slots=True)
class ImportedJob:
    """One line of a crontab as a schedule of the built-in command task."""

    line: int
    name: str  #: made from the program's name, unique in the file
    cron: str
    timezone: str | None  #: from CRON_TZ; None is the zone of that machine
    description: str  #: the comment above the line
    argv: tuple[str, ...]  #: what to run; ``/bin/sh -c`` if the command needs a shell
    shell: bool
    environment: tuple[tuple[str, str], ...] = ()
    directory: str = ""  #: from HOME; cron starts commands in the user's home
    user: str = ""  #: from the sixth field of a system crontab

    @property
    def run(self) -> list[str]:
        """The argument list with the settings that stand above the line."""
        settings = [f"{name}={value}" for name, value in self.environment]
        return [*(["/usr/bin/env", *settings] if settings else []), *self.argv]


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A line, or a part of one, that is not carried over as it is."""

    line: int
    text: str
    reason: str


def read_crontab(text: str, *, system: bool = False) -> tuple[list[ImportedJob], list[Unsupported]]:
    """The jobs of a crontab and everything that is not carried over; ``system`` ones have a user in each line."""
    reader = Reader(system)
    for number, line in enumerate(text.splitlines(), start=1):
        reader.read(number, line)
    return reader.jobs, reader.unsupported


@dataclass
class Reader:
    """Goes through the lines with what stood above: settings and the comment."""

    system: bool
    jobs: list[ImportedJob] = field(default_factory=list)
    unsupported: list[Unsupported] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    comment: list[str] = field(default_factory=list)
    timezone: str | None = None
    lost_zone: str = ""  #: a CRON_TZ that does not exist: the lines below it would run at the wrong time
    shell: str = "/bin/sh"
    directory: str = ""

    def read(self, number: int, line: str) -> None:
        """Take in one line."""
        stripped = line.strip()
        if stripped.startswith("#"):
            self.read_comment(number, stripped)
            return
        setting = SETTING.fullmatch(line)
        if setting is not None:
            self.set(number, line, setting["name"], _unquoted(setting["value"].strip()))
        elif stripped:
            self.read_entry(number, stripped)
        self.comment = []

    def read_comment(self, number: int, line: str) -> None:
        """Keep it for the next job; a job that was commented out is listed."""
        words = line.lstrip("#").strip()
        entry = ENTRY.fullmatch(words)
        if entry is not None and _is_cron(entry["when"]):
            self.leave_out(number, line, "it is commented out")
        elif TITLE.match(line):
            self.comment = []
        elif words:
            self.comment.append(words)

    def set(self, number: int, line: str, name: str, value: str) -> None:
        """One ``NAME = value``."""
        if name == "CRON_TZ":
            self.set_zone(number, line, value)
        elif name == "SHELL":
            self.shell = value or "/bin/sh"
        elif name == "HOME":
            self.directory = value
        elif name in REPORTED:
            if value:
                self.leave_out(number, line, REPORTED[name])
        else:
            self.environment[name] = value
            if name == "TZ":
                self.leave_out(number, line, "only the commands see it, as in cron: set `timezone` for when they run")

    def set_zone(self, number: int, line: str, name: str) -> None:
        """CRON_TZ for the jobs below; those of an unknown zone are left out."""
        self.lost_zone, self.timezone = "", name or None
        try:
            get_zone(name or "UTC")
        except TimingError as error:
            self.lost_zone = name
            self.leave_out(number, line, str(error))

    def read_entry(self, number: int, line: str) -> None:
        """One job."""
        entry = ENTRY.fullmatch(line)
        user, rest = "", "" if entry is None else entry["rest"]
        if self.system:
            user, _, rest = rest.partition(" ") if "\t" not in rest else rest.replace("\t", " ", 1).partition(" ")
        rest = rest.strip()
        if entry is None or not rest:
            self.leave_out(number, line, "it is neither a setting nor a job")
        elif FIELD.fullmatch(first := (user or rest).split()[0]):
            self.leave_out(number, line, f"its command begins with {first[:20]}: is this a crontab with seconds?")
        elif self.lost_zone:
            self.leave_out(number, line, f"its CRON_TZ {self.lost_zone[:40]!r} does not exist")
        elif not rest.isprintable() and not rest.replace("\t", " ").isprintable():
            self.leave_out(number, line, "its command holds control characters")
        else:
            self.add(number, line, " ".join(entry["when"].split()), user, rest)

    def add(self, number: int, line: str, when: str, user: str, rest: str) -> None:
        """Add a job; one that names a user is also listed, because it will run as the worker's."""
        try:
            build("cron", when, zone=self.timezone or "UTC")
        except TimingError as error:
            self.leave_out(number, line, str(error))
            return
        command, stdin = _command(rest)
        argv = None if stdin else _plain(command)
        script = f"printf %s {shlex.quote(stdin)} | {{ {command}\n}}" if stdin else command
        job = ImportedJob(
            number,
            self.unique(_program(command)),
            when,
            self.timezone,
            " ".join(self.comment),
            argv or (self.shell, "-c", script),
            argv is None,
            tuple(self.environment.items()),
            self.directory,
            user,
        )
        self.jobs.append(job)
        if user:
            self.leave_out(number, line, f"cron runs it as {user}: here it runs as the worker's user")

    def unique(self, base: str) -> str:
        """A name that no job above has."""
        taken = {job.name for job in self.jobs}
        name, number = base, 2
        while name in taken:
            name, number = f"{base}-{number}", number + 1
        return name

    def leave_out(self, number: int, line: str, reason: str) -> None:
        """List a line that needs a person, with the reason."""
        self.unsupported.append(Unsupported(number, line.strip(), reason))


def _program(command: str) -> str:
    """A name for a schedule: the first program of a command, without its path."""
    for part in re.split(r"[;|&(){}]+", command):
        words = part.replace('"', " ").replace("'", " ").split()
        if words and words[0] in SHELL_WORDS:
            continue
        programs = (word.rpartition("/")[2] for word in words if word[0] != "-" and "=" not in word)
        plain = (re.sub(r"[^A-Za-z0-9._-]+", "-", word).strip("-._") for word in programs if word not in WRAPPERS)
        program = next((word for word in plain if re.match("[A-Za-z]", word)), None)
        if program:
            return program[:80]
    return "job"


def _is_cron(when: str) -> bool:
    try:
        build("cron", when)
    except TimingError:
        return when == "@reboot"
    return True


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def _command(text: str) -> tuple[str, str]:
    """The command and its standard input: a % that is not escaped ends the one and separates lines of the other."""
    command, *lines = re.split(r"(?<!\\)%", text)
    return command.replace(r"\%", "%").strip(), "".join(line.replace(r"\%", "%") + "\n" for line in lines)


def _plain(command: str) -> tuple[str, ...] | None:
    """The argument list of a command that no shell has to read, else None."""
    if SHELL_SIGNS.search(command):
        return None
    try:
        argv = tuple(shlex.split(command))
    except ValueError:
        return None
    return argv if argv and "=" not in argv[0] and argv[0] not in SHELL_WORDS else None
