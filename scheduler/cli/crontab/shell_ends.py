"""How a shell line ends: with programs in the background, or cut off by the % of a crontab."""

from __future__ import annotations

import re

from scheduler.cli.crontab.shell_words import SHELLS, TOKEN, base, simple_commands

CLOSED = re.compile(r"""\\.|'[^']*'|"(?:[^"\\]|\\.)*"|`[^`]*`""", re.DOTALL)
WAITS = "trap wait EXIT; "
#: shells to which &> is & and >
PLAIN = frozenset({"dash", "sh"})


def waiting(line: str, shell: str) -> str:
    """The line, so that its shell waits for what it leaves in the background; empty if it leaves nothing there."""
    return WAITS + line if base(shell) in SHELLS and has_background(line, shell) else ""


def has_background(line: str, shell: str) -> bool:
    """Whether the line itself starts a program with ``&``, which cron lets live on."""
    if "&" not in line:
        return False
    commands = simple_commands(line)
    hidden = base(shell) in PLAIN and any("&>" in CLOSED.sub("", word) for one in commands for word in one.words)
    return hidden or any(one.end == "&" for one in commands)


def is_in_brackets(line: str) -> bool:
    """Whether a ``&`` is inside of ``( )``, whose programs the shell of the line cannot wait for."""
    depth = 0
    for token in TOKEN.finditer(line):
        depth += {"(": 1, ")": -1}.get(token["end"], 0)
        if token["end"] == "&" and depth > 0:
            return True
    return False


def is_cut(command: str) -> bool:
    """Whether a quote or bracket is still open at its end, as in ``$(date +`` before a % that is not escaped."""
    rest = CLOSED.sub("", command)
    return rest.count("(") > rest.count(")") or any(quote in rest for quote in "'\"`")
