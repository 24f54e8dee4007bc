"""``${VAR}`` and ``${file:/path}`` in arguments: kept as written everywhere, filled in only where the task runs.

``$${`` stands for ``${`` itself. Only values are looked at, at any depth, never the keys of mappings.
"""

from __future__ import annotations

import os
import re
import stat
import traceback
from collections.abc import Iterator, Mapping
from typing import Any

REFERENCE = re.compile(r"\$(?P<literal>\$\{)|\$\{(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)|file:(?P<file>/[^{}\0]*))\}")
STRAY = re.compile(r"\$\{[^}]*\}?")
LONGEST = 65_536  #: bytes of a file that is referred to
SHORTEST_HIDDEN = 4  #: letters; anything shorter stands in many texts by chance
KEYS = ("args", "kwargs")
Path = tuple[str | int, ...]


class CannotFill(Exception):
    """A reference names what this worker does not have."""


class Hidden(Exception):
    """Stands for an error whose text would show a secret, whatever it is made of."""


def malformed(text: str) -> str:
    """The first ``${`` in it that begins no reference; empty if there is none."""
    found = STRAY.search(REFERENCE.sub("", text))
    return found[0] if found else ""


def marked(value: object, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every text in it that holds ``${``, with its path."""
    if isinstance(value, str):
        if "${" in value:
            yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from marked(item, (*path, key))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from marked(item, (*path, index))


def refers(text: str) -> bool:
    return any(found["literal"] is None for found in REFERENCE.finditer(text))


def added(fields: Mapping[str, Any], base: Mapping[str, Any]) -> list[Path]:
    """Where the fields of a schedule refer to something that the file, of which ``base`` is, does not refer to there.

    Whoever may edit a page must not thereby read the worker's files: to hand the file's own secret to another task, or
    to another argument, would show it as well.
    """
    is_same = fields.get("task") == base.get("task")
    known = {key: dict(marked(base.get(key))) if is_same else {} for key in KEYS}
    found = [(key, path, text) for key in KEYS for path, text in marked(fields.get(key)) if refers(text)]
    return [(key, *path) for key, path, text in found if known[key].get(path) != text]


class Filled:
    """The references of one run, filled in; takes their values out again of what comes back."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}  #: what must not be shown, and what stands for it

    def fill(self, value: Any) -> Any:
        """The value with every reference filled in; raises CannotFill."""
        if isinstance(value, str):
            return REFERENCE.sub(self._value, value) if "${" in value else value
        if isinstance(value, dict):
            return {key: self.fill(item) for key, item in value.items()}
        return [self.fill(item) for item in value] if isinstance(value, list) else value

    def _value(self, found: re.Match[str]) -> str:
        if found["literal"]:
            return "${"
        value = variable(found["name"]) if found["name"] else content(found["file"])
        for shape in (value, repr(value)[1:-1], value.encode("unicode_escape").decode()):
            if len(shape) >= SHORTEST_HIDDEN:
                self.values[shape] = found[0]
        return value

    def hide(self, value: Any) -> Any:
        """The value with the references as they are written."""
        if isinstance(value, str):
            for secret in sorted(self.values, key=len, reverse=True):
                value = value.replace(secret, self.values[secret])
            return value
        if isinstance(value, dict):
            return {self.hide(key): self.hide(item) for key, item in value.items()}
        return type(value)(map(self.hide, value)) if type(value) in (list, tuple) else value

    def hide_error(self, error: Exception) -> Exception:
        """The error without the secrets in it: itself where that is enough, else one that stands for it."""
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
        """Whether a secret stands in its text, or in its traceback's."""
        if not self.values:
            return False
        text = "".join(traceback.format_exception(error)) + repr(error)
        return any(secret in text for secret in self.values)


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error, and those that led to it."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [one.__cause__, one.__context__]


def variable(name: str) -> str:
    try:
        return os.environ[name]
    except KeyError:
        what = f"${{{name}}} in its arguments: this worker's environment has no variable {name}"
        raise CannotFill(f"{what} — set it for the worker and restart that") from None


def content(path: str) -> str:
    """The text of a file, without the line end that editors add."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ValueError("it is not a regular file")
            raw = file.read(LONGEST + 1)
        if len(raw) > LONGEST:
            raise ValueError(f"it is longer than {LONGEST} bytes")
        return raw.decode().rstrip("\r\n")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
    except UnicodeError:
        reason = "it is not UTF-8 text"
    except ValueError as error:
        reason = str(error)
    what = f"${{file:{path}}} in its arguments: this worker cannot read the file: {reason}"
    raise CannotFill(f"{what} — check its path, owner and mode there")
