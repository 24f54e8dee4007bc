"""References ``${VAR}`` and ``${file:/path}`` in arguments: stored as written, filled in by the worker.

``$${`` is a literal ``${``. References are found in values at any depth, never in the keys of mappings. Words of the
run, such as ``${due}``, are written the same way, and win over a variable of the worker with that name.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from scheduler.run_words import INSTANTS, WORDS, wrong_format

REFERENCE = re.compile(
    r"\$(?P<literal>\$\{)|\$\{(?:"
    rf"(?P<instant>{'|'.join(INSTANTS)}):(?P<format>[^{{}}\0]+)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|file:(?P<file>/[^{}\0]*))\}"
)
STRAY = re.compile(r"\$\{[^}]*\}?")
MAX_FILE_BYTES = 65_536
PLAIN = frozenset({int, float, bool, type(None)})
MIN_HIDDEN_LENGTH = 4  #: characters; shorter values occur in many texts by chance
#: Fields of a schedule that may hold references. In ``shell`` a ``$`` is the shell's.
KEYS = ("args", "kwargs", "command", "environment", "directory", "stdin", "http")
RECEIVERS = ("task", "command", "shell", "http")  #: fields that say who gets the values
Path = tuple[str | int, ...]
Word = Callable[[str, str], str]  #: the text of a word of the run, in this format; raises CannotFill


class CannotFill(Exception):
    """This worker does not have the variable or file of a reference."""


class Hidden(Exception):
    """Replaces an error whose text would show a secret even after its arguments were cleaned."""


def malformed(text: str, *, in_run: bool = True) -> str:
    """The first malformed reference, from its ``${`` on; empty if there is none.

    Outside of a run, as in the options of a sink, there are no words of the run.
    """
    stray = STRAY.search(REFERENCE.sub(lambda match: "" if is_sound(match, in_run=in_run) else match[0], text))
    return stray[0] if stray else ""


def is_sound(reference: re.Match[str], *, in_run: bool) -> bool:
    """Whether the worker can fill it in: an instant of the run needs a run, and a format that can be meant."""
    return not reference["instant"] or (in_run and not wrong_format(reference["format"]))


def marked(value: object, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every text with ``${`` inside the value, with its path."""
    if isinstance(value, str):
        if "${" in value:
            yield path, value
    elif type(value) in PLAIN:  # of a large file, nearly all are
        return
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from marked(item, (*path, key))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from marked(item, (*path, index))


def refers(text: str) -> bool:
    """Whether the text has a reference to what only this worker has: no literal ``$${``, and no word of the run."""
    return any(match["file"] or (match["name"] or WORDS[0]) not in WORDS for match in REFERENCE.finditer(text))


def variables(text: str) -> Iterator[str]:
    """The variables of the worker that a text refers to."""
    return (name for match in REFERENCE.finditer(text) if (name := match["name"]) and name not in WORDS)


def added(fields: Mapping[str, Any], base: Mapping[str, Any]) -> list[Path]:
    """Paths of references in the fields that the schedule file (``base``) does not have at the same place.

    Editing on the page must not give access to the worker's files and variables. Passing the file's own secret to
    another task or argument could reveal it too.
    """
    referring = [(key, path, text) for key in KEYS for path, text in marked(fields.get(key)) if refers(text)]
    is_same = bool(referring) and all(fields.get(key) == base.get(key) for key in RECEIVERS)
    known = {key: dict(marked(base.get(key))) if is_same else {} for key in KEYS}
    return [(key, *path) for key, path, text in referring if known[key].get(path) != text]


def digest(task: str, args: object, kwargs: object) -> str:
    """The same for the same texts with ``${`` at the same places of the same task; empty if there are none."""
    places = sorted(json.dumps([path, text]) for path, text in marked({"args": args, "kwargs": kwargs}))
    return hashlib.sha256(json.dumps([task, places]).encode()).hexdigest()[:32] if places else ""


class Filled:
    """Fills in the references of one run, and hides their values in its results and errors."""

    def __init__(self, word: Word | None = None) -> None:
        self.word = word
        self.values: dict[str, str] = {}  #: secret to the reference that replaces it

    def fill(self, value: Any) -> Any:
        """The value with every reference filled in; raises CannotFill."""
        if isinstance(value, str):
            return REFERENCE.sub(self._value, value) if "${" in value else value
        if isinstance(value, dict):
            return {key: self.fill(item) for key, item in value.items()}
        return [self.fill(item) for item in value] if isinstance(value, list) else value

    def _value(self, reference: re.Match[str]) -> str:
        if reference["literal"]:
            return "${"
        if self.word and (reference["instant"] or reference["name"] in WORDS):
            return self.word(reference["instant"] or reference["name"], reference["format"] or "")
        if reference["instant"]:
            raise CannotFill(f"{reference[0]} is of a run, and there is none here")
        value = variable(reference["name"]) if reference["name"] else content(reference["file"])
        # Errors and results may show the value escaped.
        for shape in (value, repr(value)[1:-1], value.encode("unicode_escape").decode()):
            if len(shape) >= MIN_HIDDEN_LENGTH:
                self.values[shape] = reference[0]
        return value

    def hide(self, value: Any) -> Any:
        """The value with every secret replaced by its reference."""
        if isinstance(value, str):
            # The longest first: a secret may contain another one.
            for secret in sorted(self.values, key=len, reverse=True):
                value = value.replace(secret, self.values[secret])
            return value
        if isinstance(value, dict):
            return {self.hide(key): self.hide(item) for key, item in value.items()}
        # Exactly these types: a subclass, such as a named tuple, may not take one iterable.
        return type(value)(map(self.hide, value)) if type(value) in (list, tuple) else value

    def hide_bytes(self, data: bytes, *, is_end: bool = False) -> tuple[bytes, bytes]:
        """A piece of an output with every secret replaced by its reference, and its end if a secret may begin there.

        That end goes in front of the next piece; with ``is_end`` there is none.
        """
        secrets = {secret.encode(): name.encode() for secret, name in self.values.items()}
        for secret in sorted(secrets, key=len, reverse=True):
            data = data.replace(secret, secrets[secret])
        cut = len(data) if is_end else min((possible_start(data, secret) for secret in secrets), default=len(data))
        return data[:cut], data[cut:]

    def hide_error(self, error: Exception) -> Exception:
        """The error with its secrets hidden: the same object if its arguments were enough, else a Hidden error."""
        if not self.shows(error):
            return error
        for one in chain(error):
            one.args = self.hide(one.args)
            if hasattr(one, "__notes__"):
                one.__notes__ = self.hide(one.__notes__)
        if not self.shows(error):
            return error
        return Hidden(self.hide(f"{type(error).__name__}: {error}")).with_traceback(error.__traceback__)

    def shows(self, error: Exception) -> bool:
        """Whether the error or its traceback shows a secret."""
        if not self.values:
            return False
        text = "".join(traceback.format_exception(error)) + repr(error)
        return any(secret in text for secret in self.values)


def possible_start(data: bytes, secret: bytes) -> int:
    """Where at the end of the data a secret may begin that goes on behind it; the length of the data if nowhere."""
    at = data.find(secret[:1], max(len(data) - len(secret) + 1, 0))
    while at != -1 and not secret.startswith(data[at:]):
        at = data.find(secret[:1], at + 1)
    return len(data) if at == -1 else at


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error, its causes and contexts."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [one.__cause__, one.__context__]


def variable(name: str) -> str:
    """The value of an environment variable of this worker; raises CannotFill if it is not set."""
    try:
        return os.environ[name]
    except KeyError:
        what = f"${{{name}}} in the arguments: this worker has no environment variable {name}"
        raise CannotFill(f"{what} — set it and restart the worker") from None


def content(path: str) -> str:
    """The text of a file, without the line break at its end that editors add."""
    try:
        # Non-blocking, because the open of a pipe would wait for its writer.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ValueError("it is not a regular file")
            raw = file.read(MAX_FILE_BYTES + 1)
        if len(raw) > MAX_FILE_BYTES:
            raise ValueError(f"it is longer than {MAX_FILE_BYTES} bytes")
        return raw.decode().rstrip("\r\n")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
    except UnicodeError:
        reason = "it is not UTF-8 text"
    except ValueError as error:
        reason = str(error)
    what = f"${{file:{path}}} in the arguments: this worker cannot read the file: {reason}"
    raise CannotFill(f"{what} — check its path, owner and mode on the worker's machine")
