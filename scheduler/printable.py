"""Other people's text for one line of a terminal: without escape sequences, line breaks and changes of direction."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable

MAX_SHOWN = 200  #: characters of a text in a message
JOINERS = "\u200c\u200d"  #: invisible, but some scripts and signs need them


def printable(text: str) -> str:
    r"""The text with every control and format character, line separator and lone surrogate as ``\x1b``."""
    if text.isprintable():
        return text
    return "".join(letter.encode("unicode_escape").decode() if is_unsafe(letter) else letter for letter in text)


def printable_output(line: str) -> str:
    """The same for a line of a program's output, with the tabs of its tables."""
    return "\t".join(map(printable, line.split("\t")))


def is_unsafe(letter: str) -> bool:
    category = unicodedata.category(letter)
    return (category[0] == "C" and letter not in JOINERS) or category in ("Zl", "Zp")


def shown(value: object) -> str:
    """A value, short and printable, for a message; text in quotes."""
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    return f"'{short(value)}'" if isinstance(value, str) else short(str(value))


def short(text: str) -> str:
    """The printable text, cut to what fits a message."""
    return printable(text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…")


def near(word: str, known: Iterable[str]) -> str:
    """``did you mean 'x'?`` if a known word is close, else an empty text."""
    close = difflib.get_close_matches(word[:100], known, n=1, cutoff=0.6)
    return f"did you mean {shown(close[0])}?" if close else ""
