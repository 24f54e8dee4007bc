"""Lines of crontabs that another cron reads, and what cron means by values that the schedule file refuses."""

from __future__ import annotations

import pwd
import re
import shutil
from functools import lru_cache, partial

from scheduler.model import accounts

#: names of users that no program has
SURE_USERS = frozenset({
    "root", "www-data", "nobody", "daemon", "apache", "_www", "ec2-user", "munin", "nagios", "postgres", "ubuntu",
    "vagrant", "zabbix",
})  # fmt: skip
BEGINS = re.compile(r"[/\[]|(?:cd|if|test)\b")  #: how a command begins behind the name of a user
PROGRAMS = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
USER = re.compile(accounts.PATTERN)
USER_TITLE = re.compile(r"#.*\b(dow|dayofweek|command)\b", re.IGNORECASE)
NAMES = "sun|mon|tue|wed|thu|fri|sat|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
FIELD = re.compile(rf"[?*][*?/\d-]*|(?:[\d*]|\b(?:{NAMES})\b)(?:[\d*/,#L-]|\b(?:{NAMES})\b)*", re.IGNORECASE)
SIZES = {"minute": 60, "hour": 24, "day-of-month": 31, "month": 12, "day-of-week": 7}
JOB = re.compile(r"\s*(?:@\w+|(?:[^\s#=]+\s+){4}\S+)\s+\S+\s+\S")
STEP = re.compile(r"/([0-9]+)")
INLINE_ZONE = re.compile(r"\s*(?:CRON_TZ|TZ)=(?P<zone>\S+)\s+(?P<entry>(?:@\w+|(?:[\d*?/,~A-Za-z-]+\s+){4}\S+)\s+\S.*)")
PREFIXES = (
    (re.compile(r"[&!%]"), "it begins with {0}, which only fcron reads: write its timing by hand"),
    (re.compile(r"(?:ID|FREQ|WAIT|AFTER)=\S+(?=\s+(?:@\w|[\d*]))"), "{0} is dcron's: write its timing by hand"),
)
FLAG = re.compile(r"-[nqs]+")  #: of a line, between the fields and the command


def is_system(text: str) -> bool:
    """Whether each line of a crontab seems to name a user, as those of /etc/crontab do."""
    users = dict[str, bool]()  #: whether what is behind it begins a command
    for line in text.split("\n"):
        if USER_TITLE.match(line) and re.search(r"\buser(-?name)?\b", line, re.IGNORECASE):
            return True
        if JOB.match(line):
            user, behind = line.split(None, 7)[1 if line.lstrip().startswith("@") else 5 :][:2]
            users[user] = users.get(user, True) and BEGINS.match(behind) is not None
    is_sure = not SURE_USERS.isdisjoint(users) or all(begins and is_account(user) for user, begins in users.items())
    return bool(users) and is_sure and all(map(USER.fullmatch, users))


@lru_cache(maxsize=1000)
def is_account(word: str) -> bool:
    """Whether it is an account of this machine, and no program."""
    try:
        return pwd.getpwnam(word) is not None and shutil.which(word, path=PROGRAMS) is None
    except (KeyError, ValueError):
        return False


def other_prefix(line: str) -> str:
    """Why a line cannot be read, by the mark of another cron that it begins with; empty without one."""
    for pattern, reason in PREFIXES:
        if match := pattern.match(line):
            return reason.format(match[0])
    return ""


def foreign(when: str, user: str, rest: str, *, system: bool, seems_system: bool) -> str:
    """Why a line is not one of this kind of crontab; empty if it is one."""
    first = (user or rest).split(None, 1)[0]
    if FIELD.fullmatch(first):
        return f"its command begins with {first[:20]}: is this a crontab with seconds?"
    if re.search(r"(?:^|[\s,])H(?:[\s/(,]|$)", when):
        return "H is Jenkins' word for a time chosen by the job's name: write ~ for it"
    if FLAG.fullmatch(first):
        return f"its command begins with {first}, an option of BSD's cron: delete it"
    if system and not USER.fullmatch(user):
        return f"{user[:40]!r} is no user's name: is this a user's crontab? Read it without --system"
    if not system and " " in rest and (first in SURE_USERS or (seems_system and USER.fullmatch(first))):
        return f"its command begins with the user {first}: is this a system crontab? Read it with --system"
    return ""


def at_most(size: int, step: re.Match[str]) -> str:
    """A step as it is written, or that of the whole field if it is larger."""
    return f"/{min(int(step[1][:9]), size)}"


def as_cron_reads(when: str) -> tuple[str, list[str]]:
    """The expression with every step that is larger than its field at the field's size, and a comment about each."""
    fields = when.split()
    notes: list[str] = []
    if len(fields) != len(SIZES) or "/" not in when:
        return when, notes
    for index, (name, size) in enumerate(SIZES.items()):
        steps = [int(step[:9]) for step in STEP.findall(fields[index])]
        if any(step > size for step in steps):
            notes.append(
                f"the step of the {name} {fields[index]} is larger than the field: it has its first value only"
            )
            fields[index] = STEP.sub(partial(at_most, size), fields[index])
    return " ".join(fields), notes
