"""Values of plain YAML scalars: the YAML 1.2 core schema, minus its surprises.

Two differences from the schema: digits with a leading zero stay text, because parsers disagree about ``010``,
and so do numbers that are too long for JSON parsers.
"""

from __future__ import annotations

import re

MAX_NUMBER_LENGTH = 100
WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((sign + word for sign in ("", "+") for word in (".inf", ".Inf", ".INF")), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
NUMBER_STARTS = frozenset("+-.0123456789")
DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
OCTAL = re.compile(r"0o[0-7]+")
HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")

Scalar = str | int | float | bool | None


def plain(text: str) -> Scalar:
    """The value of an unquoted scalar; ``on``, ``no``, ``010``, ``12:30``, ``1_000`` and dates stay text."""
    if text in WORDS:
        return WORDS[text]
    if text[0] in NUMBER_STARTS and len(text) <= MAX_NUMBER_LENGTH:
        return number(text)
    return text


def number(text: str) -> Scalar:
    """The number that this text is in YAML 1.2, or the text itself."""
    if DECIMAL.fullmatch(text):
        return int(text)
    if OCTAL.fullmatch(text):
        return int(text[2:], 8)
    if HEXADECIMAL.fullmatch(text):
        return int(text[2:], 16)
    return float(text) if FLOAT.fullmatch(text) else text
