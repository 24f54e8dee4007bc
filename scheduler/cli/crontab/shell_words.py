"""What is in a shell line: its simple commands, its program, its guard, its passwords."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import takewhile
from typing import NamedTuple

TOKEN = re.compile(
    r"""(?P<word>(?:\$\(\(.*?(?:\)\)|$)|\$\[[^\]]*\]|\$\((?:[^()'"]|'[^']*'|"[^"]*"|\([^()]*\))*+\)|`[^`]*`|[^\s;&|()<>'"\\`]|'[^']*'|"(?:[^"\\]|\\.)*"|\\.|&?[<>]+&?)+)|(?P<end>\|\||&&|[;&|()`])|\S""",
    re.DOTALL,
)
QUOTES = re.compile(r"""["']|\\(?=.)""")
ASSIGNMENT = re.compile(r"\w+=")
KEYWORDS = frozenset({"!", "{", "}", "do", "done", "elif", "else", "fi", "then", "time", "exec", "command"})
OPENING = frozenset({"if", "for", "while", "until", "case", "{"})
CLOSING = frozenset({"fi", "done", "esac", "}"})
#: simple commands that only prepare the program that counts
PREPARING = frozenset({
    ".", ":", "[", "[[", "alias", "cd", "eval", "exit", "export", "false", "for", "if", "read", "set", "source", "test",
    "trap", "true", "type", "ulimit", "umask", "unset", "until", "wait", "which", "while", "case", "hash", "pgrep",
})  # fmt: skip
#: programs that name a job only if it has no other
COMMON = frozenset({
    "cat", "cmp", "date", "diff", "echo", "getent", "grep", "id", "logger", "mail", "mailx", "mountpoint", "ping",
    "printf", "sleep", "systemctl", "tee", "xargs",
})  # fmt: skip
#: programs that start another one: their options that take a value, and how many words come before that program
WRAPPERS = {
    "bundle": ("", 1), "chronic": ("", 0), "chrt": ("", 1), "cronic": ("", 0), "doas": ("uC", 0), "env": ("uSC", 0),
    "flock": ("wEo", 1), "gosu": ("", 1), "ionice": ("cnp", 0), "nice": ("n", 0), "nocache": ("", 0), "nohup": ("", 0),
    "npx": ("", 0), "pipenv": ("", 1), "poetry": ("", 1), "runuser": ("ugs", 0), "setsid": ("", 0),
    "stdbuf": ("ioe", 0), "su": ("gs", 1), "su-exec": ("", 1), "sudo": ("ugCp", 0), "systemd-cat": ("tp", 0),
    "taskset": ("c", 1), "timeout": ("ks", 1), "unbuffer": ("", 0), "xvfb-run": ("efnpsw", 0),
}  # fmt: skip
SHELLS = frozenset({"bash", "dash", "ksh", "sh", "zsh"})
VARIABLE = re.compile(r"\$\{?\w+\}?")
INTERPRETER = re.compile(r"(python|php|perl|ruby|node|bash|dash|ksh|zsh|sh|java|pypy|lua|tclsh|Rscript)[0-9.]*")
IS_CODE = {"php": "-r", "perl": "-e", "ruby": "-e", "node": "-e", "lua": "-e"}
#: programs that look whether there is something to do, and with which codes they end if not (127 is dash's)
GUARDS = {
    **dict.fromkeys(("[", "[[", "test", "which", "hash", "pgrep", "pidof", "cmp", "diff", "id"), (1,)),
    "command": (1, 127), "getent": (2,), "grep": (1, 2), "mountpoint": (1, 32), "ping": (1, 2),
    "systemctl": (1, 3, 4), "type": (1, 127),
}  # fmt: skip
LOOKS = {"command": "-v", "systemctl": "is-"}  #: what a word of those begins with when they only look
NO_PROGRAM = re.compile(r"[<>-]|[0-9]+(?:[<>&].*)?$")  #: with a -, an option of `command`, which only looks for one
NO_WORD = re.compile(r"[$`]|[0-9&]*[<>]|[0-9]+$")
SECRET = re.compile(r"pass|pwd|secret|token|key|[:@]|^-p", re.IGNORECASE)
PASSWORD = re.compile(
    r"""--?(?:password|passwd|pass|pwd|token|secret|api[-_]?key)(?:=|\s+)(?!['"]?\$)[^\s-]"""
    r"""|\b(?!\w*file=)\w*(?:password|passwd|pass|token|secret|api_?key)\w*=['"]?[^\s$'"]"""
    r"""|://[^/\s:@$]+:[^/\s@$]+@|\b(?:mysql|mariadb)[\w-]*\s[^|;&]*(?<=\s)-p[^\s$]|\bsshpass\s+-p\s*[^\s$]"""
    r"""|\bcurl\s[^|;&]*(?<=\s)(?:-u|--user)[\s=]['"]?[^\s:$]+:[^\s$]|\bauthorization:\s*\w+\s+[^\s$"']""",
    re.IGNORECASE,
)


class Simple(NamedTuple):
    """One simple command, and what comes behind it: ``&&``, ``||``, ``;``, ``|``, a bracket, or nothing."""

    words: list[str]
    end: str


@lru_cache(maxsize=16)
def simple_commands(line: str) -> list[Simple]:
    """The simple commands of a line; quotes keep their text together. Between two operators is one without words."""
    commands, words = [], list[str]()
    for token in TOKEN.finditer(line):
        if token["end"]:
            commands.append(Simple(words, token["end"]))
            words = []
        elif token[0].startswith("#") and token["word"]:
            break
        else:
            words.append(token[0])
    return [command for command in (*commands, Simple(words, "")) if command.words or command.end]


def programs(line: str, depth: int = 0) -> Iterator[tuple[str, list[str]]]:
    """The programs that a line starts, without their paths, each with the words behind it."""
    for command in simple_commands(line):
        words = [word for quoted in command.words if (word := QUOTES.sub("", quoted))]
        while words and (words[0] in KEYWORDS or ASSIGNMENT.match(words[0])):
            words.pop(0)
        if not words or base(words[0]) in PREPARING or NO_PROGRAM.match(words[0]):
            continue
        words = unwrapped(words)
        inner = quoted_line(words)
        if inner and depth < 3 and (inside := [*programs(inner, depth + 1)]):
            yield from inside
        else:
            yield program(words)


def quoted_line(words: Sequence[str]) -> str:
    """The line behind ``-c`` of a shell, ``su`` or ``flock``; empty without one."""
    is_shell = base(words[0]) in SHELLS
    if not is_shell and base(words[0]) not in ("flock", "su", "runuser"):
        return ""
    for index, word in enumerate(words[1:-1], start=1):
        if re.fullmatch("-[a-z]*c", word) or word == "--command":
            return words[index + 1]
        if is_shell and not word.startswith("-"):
            return ""  # a script, whose own options follow
    return ""


def unwrapped(words: list[str]) -> list[str]:
    """The words from the program behind ``sudo``, ``nice`` and the like on, or behind a variable that may be one."""
    while len(words) > 1:
        if VARIABLE.fullmatch(words[0]):
            behind = words[1:]
        elif (wrapper := WRAPPERS.get(base(words[0]))) and not quoted_line(words):
            behind = behind_options(words, *wrapper)
        else:
            break
        if not behind:
            break
        words = behind
    return words


def program(words: list[str]) -> tuple[str, list[str]]:
    """The name of the program that these words start, or of the script of an interpreter, and the words behind it."""
    name = base(words[0])
    interpreter = INTERPRETER.fullmatch(name)
    script = script_of(interpreter[1], words) if interpreter else []
    if script and base(script[0]):
        words = unwrapped(script)
    if name == "docker" and len(words) > 3 and "exec" in words:
        return program(unwrapped(behind_options(words[words.index("exec") :], "uwe", 1)) or ["docker"])
    return base(words[0]), words[1:]


def behind_options(words: list[str], valued: str, skip: int) -> list[str]:
    """The words behind a wrapper's own options and its first ``skip`` words."""
    index = 1
    while index < len(words) and (words[index].startswith("-") or "=" in words[index]):
        takes_next = len(words[index]) == 2 and words[index][0] == "-" and words[index][1] in valued
        index += 2 if takes_next else 1
    return words[index + skip :]


def script_of(interpreter: str, words: list[str]) -> list[str]:
    """The script that an interpreter runs, with its arguments; empty for code on the command line."""
    index = 1
    while index < len(words) and words[index].startswith("-"):
        if words[index] in ("-m", "-jar", "-f"):
            return words[index + 1 :]
        if words[index] in ("-c", IS_CODE.get(interpreter)):
            return []
        index += 2 if words[index] in ("-d", "-W", "-X", "-I", "-cp", "-o") else 1
    return words[index:]


def base(word: str) -> str:
    """A word without its path, and without a redirection behind it."""
    return re.split("&?[<>]", word, maxsplit=1)[0].rstrip("/").rpartition("/")[2]


def named(line: str) -> tuple[str, list[str]]:
    """A name for the job, from the program that counts, and words that may tell it apart from others of that name."""
    known = [(name, words) for program, words in programs(line) if (name := clean(program))]
    chosen = next((one for one in known if counts(one[0])), known[0] if known else ("job", []))
    others = [word for one in known if one is not chosen for word in (one[0], *one[1])]
    return chosen[0], [word for given in (*chosen[1], *others) if (word := telling(given))]


def counts(program: str) -> bool:
    """Whether a program names a job: not one that only prints or waits, nor code for an interpreter."""
    return program not in COMMON and not INTERPRETER.fullmatch(program)


def clean(word: str) -> str:
    """The word as part of a schedule's name; empty if nothing of it can be."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", word).strip("-._")[:50].rstrip("-._")
    return plain if re.match("[0-9]?[A-Za-z]", plain) else ""


def telling(word: str) -> str:
    """A word that may tell two jobs apart; empty for one that says nothing."""
    if not word or NO_WORD.match(word) or SECRET.search(word):
        return ""
    plain = clean(base(word.lstrip("-")))
    return plain if len(plain) > 1 and plain not in ("null", "dev-null") else ""


def guard_codes(line: str, depth: int = 0) -> set[int]:
    """The exit codes with which the line ends when a test such as ``[ -x tool ] && tool`` does not hold."""
    if "&&" not in line:
        return set()
    commands = [command for command in simple_commands(line) if command.words and command.words[0] != "}"]
    starts = [index + 1 for index, command in enumerate(commands[:-1]) if command.end in (";", "&")]
    last = commands[starts[-1] if starts else 0 :]
    codes = outer_codes(simple_commands(line))
    for command in last:
        codes |= codes_of(command)
        codes = set() if command.end == "||" else codes
    words = unwrapped([QUOTES.sub("", word) for word in last[-1].words]) if last else []
    inner = quoted_line(words) if words else ""
    return codes | guard_codes(inner, depth + 1) if inner and depth < 3 else codes


def outer_codes(commands: Sequence[Simple]) -> set[int]:
    """The codes of tests before a whole ``if``, ``for``, ``( )`` or ``{ }``, which may have a ``;`` inside."""
    codes, depth = set[int](), 0
    for command in commands:
        for word in takewhile(lambda word: word in KEYWORDS or word in OPENING or word in CLOSING, command.words):
            depth = max(0, depth + (word in OPENING) - (word in CLOSING))
        if depth == 0:
            codes = set() if command.end in (";", "&", "||") else codes | codes_of(command)
        depth = max(0, depth + (command.end == "(") - (command.end == ")"))
    return codes


def codes_of(command: Simple) -> set[int]:
    """How a test before a ``&&`` ends if there is nothing to do; empty for any other command."""
    words = [word for word in command.words if word not in ("!", "{")]
    name = base(words[0]) if words and command.end == "&&" else ""
    looks = name not in LOOKS or any(word.startswith(LOOKS[name]) for word in words[1:])
    return {*GUARDS.get(name, ())} if looks else set()


def has_password(text: str) -> bool:
    """Whether the text seems to have a password or token in it."""
    return PASSWORD.search(text) is not None
